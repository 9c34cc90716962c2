#include "server/origin.h"

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

}  // namespace

bool is_loopback(std::string_view text) {
  const std::string host = split_host(text).host;
  const bool numbers = host.find_first_not_of("0123456789.") == std::string::npos;
  return host == "localhost" || host.ends_with(".localhost") || host == "::1" || (numbers && host.starts_with("127."));
}

bool origin_allowed(const Request& request, bool loopback_only, bool upgrade) {
  const std::string_view host_header = request.header("Host");
  if (loopback_only && !host_header.empty() && !is_loopback(host_header)) return false;

  const bool reads = request.method == "GET" || request.method == "OPTIONS";
  if ((!reads || upgrade) && equal_ignoring_case(request.header("Sec-Fetch-Site"), "cross-site")) return false;

  std::string_view origin = request.header("Origin");
  if (origin.empty() || !is_loopback(host_header)) return true;
  const size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos) return false;  // "null": a sandboxed or local file
  const bool tls = equal_ignoring_case(origin.substr(0, scheme), "https");
  HostPort from = split_host(origin.substr(scheme + 3));
  const HostPort to = split_host(host_header);
  if (from.port.empty()) from.port = tls ? "443" : "80";
  return from.host == to.host && (to.port.empty() || from.port == to.port);
}

}  // namespace easel::server
