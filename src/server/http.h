// What a route sees of HTTP: a Request whose body is in memory or mapped, and the Response it gives. Nothing here knows
// sockets; the event loop stands in http_server.cpp. Routes run on a pool, one thread a request.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace easel::server {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Whose token came with a request. Without --auth-token-file everybody is nobody in particular and sees all.
struct Caller {
  std::string user;
  bool sees_all = true;
  std::string token;  // its hash
  bool may_see(std::string_view owner) const { return sees_all || user == owner; }
};

struct Request {
  std::string method;  // "GET" also for HEAD
  std::string path;    // raw: still percent-encoded, without "/api" and the query
  std::string query;   // raw
  Headers headers;
  Caller caller;
  std::string_view body;            // lives as long as the request is handled
  std::vector<std::string> params;  // the path's {…}, decoded

  std::string_view header(std::string_view name) const;              // "" if absent
  std::optional<std::string> argument(std::string_view name) const;  // of the query, decoded; the first one
  bool flag(std::string_view name) const;                            // argument is "true"
  Json json() const;                                                 // the body; HttpError 400 if it is not JSON
};

// An open descriptor of which `length` bytes from `offset` are sent.
struct FileSlice {
  std::shared_ptr<const int> fd;
  uint64_t offset = 0, length = 0;
};

struct Response {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  Headers headers;
  std::string body;
  std::shared_ptr<const std::string> shared;  // instead of body: a text that many requests share
  std::optional<FileSlice> file;              // instead of both
  // Instead of an answer now: is called once with a function that takes the answer, once, from any thread, whenever it
  // is there. No thread of the pool waits meanwhile.
  std::function<void(std::function<void(Response)>)> later;

  std::string_view text() const { return shared ? std::string_view(*shared) : std::string_view(body); }
  void set(std::string name, std::string value);  // replaces
  bool has(std::string_view name) const;
};

// Ends a request with this status and text.
struct HttpError : std::runtime_error {
  HttpError(int status, const std::string& text) : std::runtime_error(text), status(status) {}
  int status;
};

using Handler = std::function<Response(const Request&)>;

Response text_response(int status, std::string text);
Response json_response(const Json& value, int status = 200);  // non-finite numbers go out as null
Response json_response(const OrderedJson& value, int status = 200);
Response json_text(std::string text, int status = 200);  // text that is JSON already
inline Response empty_response(int status = 200) { return text_response(status, ""); }

std::string percent_decode(std::string_view text, bool plus_is_space = false);
bool equal_ignoring_case(std::string_view a, std::string_view b);
std::string quote_json(std::string_view text);  // with its quotes; invalid UTF-8 is replaced

}  // namespace easel::server
