#include "server/origin.h"

#include <arpa/inet.h>

#include <algorithm>

namespace easel::server {
namespace {

struct HostPort {
  std::string host;  // lower case, without brackets
  std::string port;  // "" if none is given
};

HostPort split_host(std::string_view text) {
  HostPort parts;
  size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const size_t close = std::min(text.find(']'), text.size());
    parts.host = text.substr(1, close - 1);
    colon = close + 1 < text.size() && text[close + 1] == ':' ? close + 1 : std::string_view::npos;
  } else {
    if (colon != text.find(':')) colon = std::string_view::npos;  // an IPv6 address without brackets
    parts.host = text.substr(0, colon);
  }
  if (colon != std::string_view::npos) parts.port = text.substr(colon + 1);
  std::ranges::transform(parts.host, parts.host.begin(), [](unsigned char c) { return std::tolower(c); });
  return parts;
}

bool is_address(const std::string& host) {
  in6_addr ignored;
  return inet_pton(AF_INET, host.c_str(), &ignored) == 1 || inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

// "http://a:80" and "a:80", or "a".
bool same_place(std::string_view origin, std::string_view host) {
  const size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos) return false;  // "null": a sandboxed or local file
  HostPort from = split_host(origin.substr(scheme + 3));
  const HostPort to = split_host(host);
  if (from.port.empty()) from.port = equal_ignoring_case(origin.substr(0, scheme), "https") ? "443" : "80";
  return from.host == to.host && (to.port.empty() || from.port == to.port);
}

}  // namespace

bool is_loopback(std::string_view text) {
  const std::string host = split_host(text).host;
  const bool numbers = host.find_first_not_of("0123456789.") == std::string::npos;
  return host == "localhost" || host.ends_with(".localhost") || host == "::1" || (numbers && host.starts_with("127."));
}

bool host_allowed(const Request& request, const Wall& wall) {
  const std::string_view header = request.header("Host");
  if (header.empty() || is_loopback(header)) return true;
  const std::string host = split_host(header).host;
  const bool named = std::ranges::any_of(wall.hosts, [&](const auto& name) { return equal_ignoring_case(name, host); });
  if (named || wall.loopback_only) return named;
  return wall.hosts.empty() || is_address(host);
}

bool origin_allowed(const Request& request, const Wall& wall, bool upgrade) {
  if (wall.cors_origin == "*") return true;
  if (!host_allowed(request, wall)) return false;

  const std::string_view origin = request.header("Origin");
  if (wall.cors_origin && equal_ignoring_case(origin, *wall.cors_origin)) return true;

  const bool reads = !upgrade && (request.method == "GET" || request.method == "OPTIONS");
  const std::string_view site = request.header("Sec-Fetch-Site");
  if (!reads && (equal_ignoring_case(site, "cross-site") || equal_ignoring_case(site, "same-site"))) return false;

  const std::string_view host = request.header("Host");
  if (origin.empty() || host.empty()) return true;
  if (reads && (!is_loopback(host) || wall.cors_origin)) return true;  // a browser keeps the answer from that site
  // A proxy in front may have changed the Host; the browser saw both names. Nobody rebinds a name that it trusts.
  if (!is_loopback(host) && equal_ignoring_case(site, "same-origin")) return true;
  return same_place(origin, host);
}

}  // namespace easel::server
