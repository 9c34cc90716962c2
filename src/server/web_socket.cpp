#include "server/web_socket.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

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

using Clock = std::chrono::steady_clock;

// Shared by the reader, the writer and whoever closes; all on the loop's thread.
struct Socket {
  Socket(Connection connection, const SocketLimits& limits)
      : ws(std::move(connection)), wakeup(ws.get_executor()), limits(limits) {}
  void hang_up() {
    done = true;
    wakeup.cancel();
    beast_close_socket(ws.next_layer());
  }

  websocket::stream<Connection> ws;
  net::steady_timer wakeup;
  const SocketLimits& limits;
  std::shared_ptr<Hub::Peer> peer;
  Clock::time_point heard = Clock::now();
  bool done = false;
};

// A client that reads nothing never lets the writer end: after a second its socket is cut.
net::awaitable<void> cut_off(std::shared_ptr<Socket> socket) {
  net::steady_timer grace(socket->ws.get_executor(), 1s);
  co_await grace.async_wait(kNoThrow);
  if (!socket->done) socket->hang_up();
}

// Nothing to send: until there is. Pings meanwhile; false when the client is gone.
net::awaitable<bool> idle(Socket& socket) {
  socket.wakeup.expires_after(socket.limits.ping);
  const auto [woken] = co_await socket.wakeup.async_wait(kNoThrow);
  if (woken || socket.done) co_return !socket.done;
  const auto silence = Clock::now() - socket.heard;
  if (silence > socket.limits.silent) co_return false;
  if (silence < socket.limits.ping) co_return true;
  const auto [error] = co_await socket.ws.async_ping({}, kNoThrow);
  co_return !error;
}

net::awaitable<void> write_all(std::shared_ptr<Socket> socket, Hub& hub) {
  while (!socket->done) {
    if (hub.is_closing(socket->peer)) {
      const websocket::close_reason reason(static_cast<websocket::close_code>(socket->peer->close_code),
                                           socket->peer->close_reason);
      co_await socket->ws.async_close(reason, kNoThrow);
      break;
    }
    if (const SharedFrame frame = hub.next(socket->peer)) {
      socket->ws.binary(frame->binary);
      const auto [error, size] = co_await socket->ws.async_write(net::buffer(frame->bytes), kNoThrow);
      if (error) break;
    } else if (!co_await idle(*socket)) {
      break;
    }
  }
  if (!socket->done) socket->hang_up();
}

net::awaitable<void> read_all(std::shared_ptr<Socket> socket, Hub& hub) {
  for (bool first = true; !socket->done;) {
    beast::flat_buffer buffer;  // its own for each message: an idle socket keeps none
    const auto [error, size] = co_await socket->ws.async_read(buffer, kNoThrow);
    if (error) co_return;
    socket->heard = Clock::now();
    if (!socket->ws.got_text()) continue;
    hub.receive(socket->peer, beast::buffers_to_string(buffer.data()), first);
    first = false;
  }
}

// A machine that acknowledges nothing is gone, be it cut off or asleep; the pings see to it that there is something to
// acknowledge. One that does, but whose program is busy, is waited for.
void end_when_vanished(Connection& connection, const SocketLimits& limits) {
  const auto milliseconds = static_cast<unsigned>(limits.vanished.count());
  setsockopt(connection.socket().native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
}

}  // namespace

net::awaitable<void> serve_web_socket(Connection connection, WebSocketRequest request, Hub& hub,
                                      const SocketLimits& limits) {
  connection.tcp().expires_never();  // kept by ourselves from here on
  end_when_vanished(connection, limits);
  auto socket = std::make_shared<Socket>(std::move(connection), limits);
  auto& ws = socket->ws;
  ws.set_option(websocket::stream_base::timeout{limits.header, websocket::stream_base::none(), false});
  ws.read_message_max(size_t{1} << 20);
  ws.auto_fragment(false);  // one message, one frame: simple clients expect it
  ws.write_buffer_bytes(512);
  ws.control_callback([raw = socket.get()](websocket::frame_type, beast::string_view) { raw->heard = Clock::now(); });
  const auto [error] = co_await ws.async_accept(request.handshake, kNoThrow);
  if (error) co_return;

  const std::weak_ptr<Socket> weak = socket;
  const auto wake = [weak, executor = ws.get_executor(), &hub] {
    net::post(executor, [weak, &hub] {
      const auto woken = weak.lock();
      if (!woken || woken->done) return;
      woken->wakeup.cancel();
      if (!woken->peer || !hub.is_closing(woken->peer)) return;
      log::warn("/ws: client '{}' is closed: {}", woken->peer->sid, woken->peer->close_reason);
      net::co_spawn(woken->ws.get_executor(), cut_off(woken), net::detached);
    });
  };
  socket->peer = hub.connect(request.sid, wake, std::move(request.caller));
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
