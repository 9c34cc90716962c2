// The wall against other web sites: DNS rebinding (Host), cross-site requests (Origin, Sec-Fetch-Site).
// Programs such as curl send neither Origin nor Sec-Fetch-Site and pass.
#pragma once
#include <vector>

#include "server/http.h"

namespace easel::server {

struct Wall {
  bool loopback_only = true;               // the server listens on this machine's own addresses alone
  std::vector<std::string> hosts;          // --allowed-hosts: names by which it may be called besides
  std::optional<std::string> cors_origin;  // --enable-cors-header: "*", or the origin of the one other site
};

// "127.0.0.1:8188", "[::1]", "localhost": whether a Host header or an address means this machine only.
bool is_loopback(std::string_view host);

// Whether the Host header is one of ours. On loopback alone: a loopback name, or one of `hosts`. Elsewhere any, unless
// `hosts` says which; then those, loopback names and plain addresses (no name can be rebound to those).
bool host_allowed(const Request& request, const Wall& wall);

// Whether the request may pass. `upgrade`: a WebSocket handshake, which browsers send across sites without asking.
// Behaviour matched on loopback: ComfyUI's origin check, which looks at reads too.
bool origin_allowed(const Request& request, const Wall& wall, bool upgrade);

}  // namespace easel::server
