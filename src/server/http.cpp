#include "server/http.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "graph/prompt.h"

namespace easel::server {

std::string_view Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (equal_ignoring_case(key, name)) return value;
  return {};
}

std::optional<std::string> Request::argument(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (percent_decode(pair.substr(0, equals), true) == name)
      return equals < pair.size() ? percent_decode(pair.substr(equals + 1), true) : std::string();
  }
  return std::nullopt;
}

bool Request::flag(std::string_view name) const {
  const auto value = argument(name);
  return value && equal_ignoring_case(*value, "true");
}

Json Request::json() const {
  try {
    return parse_json(body);
  } catch (const Error& error) {
    throw HttpError(400, error.what());
  }
}

void Response::set(std::string name, std::string value) {
  std::erase_if(headers, [&](const auto& header) { return equal_ignoring_case(header.first, name); });
  headers.emplace_back(std::move(name), std::move(value));
}

bool Response::has(std::string_view name) const {
  return std::ranges::any_of(headers, [&](const auto& header) { return equal_ignoring_case(header.first, name); });
}

Response text_response(int status, std::string text) {
  Response response;
  response.status = status;
  response.body = std::move(text);
  return response;
}

Response json_text(std::string text, int status) {
  Response response = text_response(status, std::move(text));
  response.type = "application/json; charset=utf-8";
  return response;
}

// error_handler_t::replace: names of files on disk need not be UTF-8.
Response json_response(const Json& value, int status) {
  return json_text(value.dump(-1, ' ', false, Json::error_handler_t::replace), status);
}
Response json_response(const OrderedJson& value, int status) {
  return json_text(value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace), status);
}

namespace {
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

// A '%' that no two hex digits follow stands for itself, as Python's unquote has it.
std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      decoded += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) {
           return std::tolower(x) == std::tolower(y);
         });
}

std::string quote_json(std::string_view text) {
  return Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace easel::server
