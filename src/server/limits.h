// What a connection may cost. The defaults are those of the server; tests take shorter ones.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace easel::server {

struct SocketLimits {
  using Time = std::chrono::milliseconds;

  size_t connections = 11'000;       // open sockets, WebSockets among them; fewer where descriptors are
  size_t per_address = 256;          // of one IPv4 address or IPv6 /64; 0: any number
  bool loopback_too = false;         // whether per_address holds for this machine's own clients (and its proxy)
  Time header{10'000};               // for the head of a request, and before a body must keep its pace
  Time idle{75'000};                 // between two requests
  Time write{60'000};                // for the client to take a quarter of a megabyte
  uint64_t bytes_per_second = 1024;  // the slowest body that is waited for
  size_t header_bytes = 32 * 1024, headers = 100;

  Time ping{15'000};      // a WebSocket that is silent for so long is pinged
  Time vanished{45'000};  // its machine acknowledges nothing for so long: it is gone
  Time silent{600'000};   // its machine does, but no pong and no frame comes
};

}  // namespace easel::server
