// One WebSocket on the event loop. Sees Beast.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>

#include "server/connection.h"
#include "server/hub.h"
#include "server/limits.h"

namespace easel::server {

struct WebSocketRequest {
  boost::beast::http::request<boost::beast::http::empty_body> handshake;
  std::string sid;
  Caller caller;
};

// Answers the handshake and serves the socket until it closes. `limits` outlives it.
boost::asio::awaitable<void> serve_web_socket(Connection connection, WebSocketRequest request, Hub& hub,
                                              const SocketLimits& limits);

}  // namespace easel::server
