// One WebSocket on the event loop. Only http_server.cpp includes this: it sees Beast.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>

#include "server/hub.h"

namespace easel::server {

// Answers the handshake and serves the socket until it closes.
boost::asio::awaitable<void> serve_web_socket(boost::beast::tcp_stream stream,
                                              boost::beast::http::request<boost::beast::http::empty_body> handshake,
                                              std::string sid, Hub& hub);

}  // namespace easel::server
