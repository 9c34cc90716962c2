// The event loop: accepts connections, within bounds; http_session.cpp serves each. One thread runs it; nothing on it
// touches files, the database or a codec.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/auth.h"
#include "server/hub.h"
#include "server/limits.h"
#include "server/middleware.h"
#include "server/origin.h"
#include "server/router.h"

namespace easel::server {

struct HttpOptions {
  std::vector<std::string> addresses{"127.0.0.1"};
  uint16_t port = 8188;  // 0: any free one
  uint64_t max_body = uint64_t{100} << 20;
  std::filesystem::path body_folder;  // where large bodies wait while they are handled; "": the system's
  Middleware middleware;
  Wall wall;                                  // loopback_only is found out by listen()
  std::string tls_key_file, tls_certificate;  // both or none
  std::shared_ptr<Auth> auth;                 // null: everybody may do everything
  std::function<bool()> healthy;              // for /healthz; quick; null: always
  SocketLimits limits;
};

class HttpServer {
 public:
  HttpServer(HttpOptions options, const Router& router, Hub& hub);
  ~HttpServer();

  void listen();               // throws Error naming the address and port, or the TLS file
  uint16_t port() const;       // after listen()
  bool loopback_only() const;  // after listen(): whether only this machine reaches us
  // Calls `handler` on the loop's thread for SIGINT and SIGTERM.
  void on_signal(std::function<void()> handler);
  void run();   // until stop()
  void stop();  // from any thread: accepts no more, lets requests that are being answered end (1 s), then run() returns

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace easel::server
