// The wall against other web sites: DNS rebinding (Host), cross-site requests (Origin, Sec-Fetch-Site).
// Programs such as curl send neither Origin nor Sec-Fetch-Site and pass.
#pragma once
#include "server/http.h"

namespace easel::server {

// "127.0.0.1:8188", "[::1]", "localhost": whether a Host header or an address means this machine only.
bool is_loopback(std::string_view host);

// Whether the request may pass. loopback_only: the server listens on loopback addresses alone, so that any other Host
// header was smuggled in. `upgrade`: a WebSocket handshake, which browsers send across sites without asking.
bool origin_allowed(const Request& request, bool loopback_only, bool upgrade);

}  // namespace easel::server
