// The event loop: accepts connections, reads requests within bounds, hands them to the router on a pool, sends what
// comes back; turns /ws into WebSockets. One thread runs it; nothing on it touches files, the database or a codec.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/hub.h"
#include "server/middleware.h"
#include "server/router.h"

namespace easel::server {

struct HttpOptions {
  std::vector<std::string> addresses{"127.0.0.1"};
  uint16_t port = 8188;  // 0: any free one
  uint64_t max_body = uint64_t{100} << 20;
  Middleware middleware;
  size_t max_connections = 11000;  // open sockets, WebSockets among them
};

class HttpServer {
 public:
  HttpServer(HttpOptions options, const Router& router, Hub& hub);
  ~HttpServer();

  void listen();          // throws Error naming the address and port
  uint16_t port() const;  // after listen()
  // Calls `handler` on the loop's thread for SIGINT and SIGTERM.
  void on_signal(std::function<void()> handler);
  void run();   // until stop()
  void stop();  // from any thread: accepts no more, lets requests that are being answered end (1 s), then run() returns

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace easel::server
