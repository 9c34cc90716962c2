// What a client may send on /ws after its handshake: frames, or what it takes for frames.
#include <boost/beast/_experimental/test/stream.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <cstdlib>

#include "base/log.h"
#include "server/hub.h"

namespace beast = boost::beast;
namespace http = beast::http;
using namespace easel::server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spdlog::set_level(spdlog::level::off);
  boost::asio::io_context io;
  beast::test::stream near(io), far = beast::test::connect(near);
  beast::websocket::stream<beast::test::stream> ws(std::move(near));
  ws.read_message_max(size_t{1} << 20);  // as web_socket.cpp has it
  http::request<http::empty_body> handshake(http::verb::get, "/ws", 11);
  handshake.set(http::field::host, "localhost");
  handshake.set(http::field::upgrade, "websocket");
  handshake.set(http::field::connection, "Upgrade");
  handshake.set(http::field::sec_websocket_version, "13");
  handshake.set(http::field::sec_websocket_key, "dGhlIHNhbXBsZSBub25jZQ==");
  beast::error_code error;
  ws.accept(handshake, error);
  if (error) std::abort();
  ws.next_layer().append({reinterpret_cast<const char*>(data), size});
  far.close();

  Hub hub(100);
  const auto peer = hub.connect("me", [] {});
  for (bool first = true; !error; first = false) {
    beast::flat_buffer buffer;
    ws.read(buffer, error);
    if (!error && ws.got_text()) hub.receive(peer, beast::buffers_to_string(buffer.data()), first);
  }
  while (hub.next(peer)) {
  }
  return 0;
}
