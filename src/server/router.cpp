#include "server/router.h"

#include <algorithm>
#include <chrono>
#include <span>

#include "base/error.h"
#include "base/log.h"

namespace easel::server {
namespace {

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const size_t end = std::min(path.find('/'), path.size());
    segments.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return segments;
}

bool is_param(const std::string& segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}
bool is_greedy(const std::string& segment) { return is_param(segment) && segment[segment.size() - 2] == '*'; }

// {x*} takes as few segments as will do. Patterns hold at most two of them, so this stays quadratic.
bool match(std::span<const std::string> pattern, std::span<const std::string> path, std::vector<std::string>& params) {
  if (pattern.empty()) return path.empty();
  if (path.size() < pattern.size()) return false;
  if (!is_param(pattern.front()))
    return pattern.front() == path.front() && match(pattern.subspan(1), path.subspan(1), params);
  const size_t most = is_greedy(pattern.front()) ? path.size() - (pattern.size() - 1) : 1;
  std::string value;
  for (size_t taken = 1; taken <= most; ++taken) {
    if (taken > 1) value += '/';
    value += percent_decode(path[taken - 1]);
    if (value.empty()) return false;
    params.push_back(value);
    if (match(pattern.subspan(1), path.subspan(taken), params)) return true;
    params.pop_back();
  }
  return false;
}

}  // namespace

void Router::add(std::string method, std::string pattern, Handler handler, RouteDoc doc, Under under) {
  auto segments = split_path(pattern);
  routes_.push_back(
      {std::move(method), std::move(pattern), std::move(segments), std::move(handler), std::move(doc), under});
}

Response Router::dispatch(Request& request, const Route*& matched) const {
  if (request.path.empty() || request.path.front() != '/') throw HttpError(400, "400: Bad Request");
  const bool api = request.path.starts_with("/api/");
  const auto plain = split_path(request.path);
  const auto path = std::span(plain).subspan(api ? 1 : 0);
  if (path.size() > 256) throw HttpError(404, "404: Not Found");

  std::string allowed;
  for (const Route& route : routes_) {
    if (route.under == (api ? Under::kOwnPath : Under::kApiAlone)) continue;
    request.params.clear();
    if (!match(route.segments, path, request.params)) continue;
    if (route.method == request.method) {
      matched = &route;
      return route.handler(request);
    }
    if (allowed.find(route.method) == std::string::npos) allowed += (allowed.empty() ? "" : ",") + route.method;
  }
  if (!allowed.empty()) {
    Response response = text_response(405, "405: Method Not Allowed");
    response.set("Allow", allowed);
    return response;
  }
  if (otherwise_ && request.method == "GET" && !api) return otherwise_(request);
  throw HttpError(404, "404: Not Found");
}

void Router::count(const Route* route, int status, double seconds) const {
  std::lock_guard lock(counting_);
  Count& count = counts_[route];
  if (count.answers.empty() && route) count.method = route->method, count.pattern = route->pattern;
  ++count.answers[status];
  count.seconds += seconds;
}

std::vector<Router::Count> Router::counts() const {
  std::lock_guard lock(counting_);
  std::vector<Count> all;
  for (const auto& [route, count] : counts_) all.push_back(count);
  return all;
}

Response Router::handle(Request& request) const {
  const Route* matched = nullptr;
  const auto begun = std::chrono::steady_clock::now();
  const auto answer = [&]() -> Response {
    try {
      return dispatch(request, matched);
    } catch (const HttpError& error) {
      return text_response(error.status, error.what());
    } catch (const Error& error) {  // worded for people: a full disk, a folder without permission
      log::error("{} {}: {}", request.method, request.path, error.what());
      return text_response(500, fmt::format("500: {}", error.what()));
    } catch (const std::exception& error) {
      log::error("{} {}: {}", request.method, request.path, error.what());
      return text_response(500, "500: Internal Server Error");
    }
  };
  Response response = answer();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  if (!response.later) {
    count(matched, response.status, seconds);
    return response;
  }
  response.later = [this, matched, seconds, later = std::move(response.later)](std::function<void(Response)> send) {
    later([this, matched, seconds, send = std::move(send)](Response made) {
      count(matched, made.status, seconds);
      send(std::move(made));
    });
  };
  return response;
}

}  // namespace easel::server
