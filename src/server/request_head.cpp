#include "server/request_head.h"

#include <algorithm>

#include "base/error.h"

namespace easel::server {

namespace http = boost::beast::http;

void bound(HeadParser& parser, const SocketLimits& limits) {
  parser.header_limit(static_cast<uint32_t>(limits.header_bytes));
  parser.body_limit(boost::none);  // ours is told with a 413
}

Request to_request(const HeadParser& parser) {
  Request request;
  const auto& message = parser.get();
  request.method = std::string(message.method_string());
  if (request.method == "HEAD") request.method = "GET";
  const std::string_view target(message.target().data(), message.target().size());
  const size_t question = std::min(target.find('?'), target.size());
  request.path = target.substr(0, question);
  if (question < target.size()) request.query = target.substr(question + 1);
  for (const auto& field : message) {
    const auto name = field.name_string(), value = field.value();
    request.headers.emplace_back(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  }
  return request;
}

Response refusal(int status, std::string_view text) {
  return text_response(status, fmt::format("{}: {}", status, text));
}

std::optional<Response> refuse_head(const HeadParser& parser, uint64_t max_body, const SocketLimits& limits) {
  const auto& message = parser.get();
  const bool http11 = message.version() == 11;
  if (!http11 && message.version() != 10) return refusal(505, "HTTP Version Not Supported");
  const auto count = [&](http::field field) { return message.count(field); };
  // A proxy that reads these otherwise than we do would let one request hide in another.
  if (count(http::field::host) > 1 || (http11 && count(http::field::host) == 0))
    return refusal(400, "one Host was wanted");
  const auto length_text = message[http::field::content_length];
  if (count(http::field::content_length) > 1 || length_text.find_first_not_of("0123456789") != length_text.npos)
    return refusal(400, "one Content-Length was wanted");
  if (const size_t codings = count(http::field::transfer_encoding)) {
    if (!http11 || codings > 1 || count(http::field::content_length) > 0 ||
        !boost::beast::iequals(message[http::field::transfer_encoding], "chunked"))
      return refusal(400, "Transfer-Encoding: only chunked, alone, is taken");
  }
  if (static_cast<size_t>(std::distance(message.begin(), message.end())) > limits.headers)
    return refusal(431, "Request Header Fields Too Large");
  const auto length = parser.content_length();
  if (length && *length > max_body) return refusal(413, "Request Entity Too Large");
  const auto coding = message[http::field::content_encoding];
  if (!coding.empty() && coding != "identity") return refusal(415, "Unsupported Media Type");
  return std::nullopt;
}

}  // namespace easel::server
