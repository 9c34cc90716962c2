// From the bytes of a request's head to a Request, and what is refused before a body is read. No sockets. Sees Beast.
#pragma once
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <optional>

#include "server/http.h"
#include "server/limits.h"

namespace easel::server {

using HeadParser = boost::beast::http::request_parser<boost::beast::http::buffer_body>;

// Sets the parser's bounds, before its first byte.
void bound(HeadParser& parser, const SocketLimits& limits);

Request to_request(const HeadParser& parser);

// Why the head is no request that may be read on, or nothing: two readers could take it for different things
// (smuggling), or it is too large. To be answered, and the connection closed.
std::optional<Response> refuse_head(const HeadParser& parser, uint64_t max_body, const SocketLimits& limits);

// "404: Not Found"
Response refusal(int status, std::string_view text);

}  // namespace easel::server
