#include "server/web_socket.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <chrono>

#include "base/log.h"

namespace easel::server {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using namespace std::chrono_literals;

constexpr auto kNoThrow = net::as_tuple(net::use_awaitable);

// Shared by the reader, the writer and whoever closes; all on the loop's thread.
struct Socket {
  explicit Socket(beast::tcp_stream stream) : ws(std::move(stream)), wakeup(ws.get_executor()) {
    wakeup.expires_at(net::steady_timer::time_point::max());
  }
  void hang_up() {
    done = true;
    wakeup.cancel();
    beast::get_lowest_layer(ws).close();
  }

  websocket::stream<beast::tcp_stream> ws;
  net::steady_timer wakeup;
  std::shared_ptr<Hub::Peer> peer;
  bool done = false;
};

// A client that reads nothing never lets the writer end: after a second its socket is cut.
net::awaitable<void> cut_off(std::shared_ptr<Socket> socket) {
  net::steady_timer grace(socket->ws.get_executor(), 1s);
  co_await grace.async_wait(kNoThrow);
  if (!socket->done) socket->hang_up();
}

net::awaitable<void> write_all(std::shared_ptr<Socket> socket, Hub& hub) {
  while (!socket->done) {
    if (hub.is_closing(socket->peer)) {
      co_await socket->ws.async_close(websocket::close_reason(websocket::close_code::try_again_later, "too slow"),
                                      kNoThrow);
      break;
    }
    if (const SharedFrame frame = hub.next(socket->peer)) {
      socket->ws.binary(frame->binary);
      const auto [error, size] = co_await socket->ws.async_write(net::buffer(frame->bytes), kNoThrow);
      if (error) break;
    } else {
      co_await socket->wakeup.async_wait(kNoThrow);
    }
  }
  if (!socket->done) socket->hang_up();
}

net::awaitable<void> read_all(std::shared_ptr<Socket> socket, Hub& hub) {
  beast::flat_buffer buffer;
  for (bool first = true; !socket->done;) {
    const auto [error, size] = co_await socket->ws.async_read(buffer, kNoThrow);
    if (error) co_return;
    if (socket->ws.got_text()) {
      hub.receive(socket->peer, beast::buffers_to_string(buffer.data()), first);
      first = false;
    }
    buffer.consume(buffer.size());
  }
}

}  // namespace

net::awaitable<void> serve_web_socket(beast::tcp_stream stream, beast::http::request<beast::http::empty_body> handshake,
                                      std::string sid, Hub& hub) {
  stream.expires_never();  // the WebSocket layer keeps its own time
  auto socket = std::make_shared<Socket>(std::move(stream));
  auto& ws = socket->ws;
  // Pings at half the idle time; a peer that vanished is gone after all of it.
  ws.set_option(websocket::stream_base::timeout{10s, 150s, true});
  ws.read_message_max(size_t{1} << 20);
  ws.auto_fragment(false);  // one message, one frame: simple clients expect it
  const auto [error] = co_await ws.async_accept(handshake, kNoThrow);
  if (error) co_return;

  const std::weak_ptr<Socket> weak = socket;
  socket->peer = hub.connect(sid, [weak, executor = ws.get_executor(), &hub] {
    net::post(executor, [weak, &hub] {
      const auto woken = weak.lock();
      if (!woken || woken->done) return;
      woken->wakeup.cancel();
      if (!woken->peer || !hub.is_closing(woken->peer)) return;
      log::warn("/ws: client '{}' does not keep up; its socket is closed", woken->peer->sid);
      net::co_spawn(woken->ws.get_executor(), cut_off(woken), net::detached);
    });
  });
  struct Leave {  // also when the loop is destroyed while the socket is open
    Hub& hub;
    std::shared_ptr<Hub::Peer> peer;
    ~Leave() { hub.disconnect(peer); }
  } leave{hub, socket->peer};
  net::co_spawn(ws.get_executor(), write_all(socket, hub), net::detached);
  co_await read_all(socket, hub);
  if (!socket->done) socket->hang_up();
}

}  // namespace easel::server
