#include "server/multipart.h"

#include "server/http.h"

namespace easel::server {
namespace {

[[noreturn]] void bad(const std::string& what) { throw HttpError(400, "multipart: " + what); }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The parameter `name` of a header such as: form-data; name="image"; filename="a \"b\".png". Browsers escape a quote as
// %22, others with a backslash.
std::optional<std::string> parameter(std::string_view header, std::string_view name) {
  size_t at = header.find(';');
  while (at != std::string_view::npos && at < header.size()) {
    std::string_view rest = header.substr(at + 1);
    const size_t equals = rest.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view key = trim(rest.substr(0, equals));
    rest = rest.substr(equals + 1);
    std::string value;
    size_t end = 0;
    if (rest.starts_with('"')) {
      for (end = 1; end < rest.size() && rest[end] != '"'; ++end) {
        if (rest[end] == '\\' && end + 1 < rest.size() && (rest[end + 1] == '"' || rest[end + 1] == '\\')) ++end;
        value += rest[end];
      }
    } else {
      end = std::min(rest.find(';'), rest.size());
      value = trim(rest.substr(0, end));
    }
    if (equal_ignoring_case(key, name)) return value;
    const size_t used = rest.find(';', end);
    at = used == std::string_view::npos ? used : static_cast<size_t>(rest.data() - header.data()) + used;
  }
  return std::nullopt;
}

Part read_part(std::string_view headers, std::string_view data) {
  Part part;
  bool named = false;
  while (!headers.empty()) {
    const size_t end = std::min(headers.find("\r\n"), headers.size());
    const std::string_view line = headers.substr(0, end);
    headers.remove_prefix(std::min(end + 2, headers.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !equal_ignoring_case(trim(line.substr(0, colon)), "content-disposition"))
      continue;
    const std::string_view value = line.substr(colon + 1);
    if (auto name = parameter(value, "name")) {
      part.name = std::move(*name);
      named = true;
    }
    part.filename = parameter(value, "filename");
  }
  if (!named) bad("a part has no name");
  part.data = data;
  return part;
}

}  // namespace

std::vector<Part> parse_multipart(std::string_view content_type, std::string_view body) {
  const std::string_view kind = trim(content_type.substr(0, content_type.find(';')));
  if (!equal_ignoring_case(kind, "multipart/form-data")) bad("multipart/form-data was wanted");
  const auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > 200) bad("no boundary in the content type");
  const std::string delimiter = "--" + *boundary, next = "\r\n" + delimiter;

  size_t at = body.starts_with(delimiter) ? 0 : body.find(next);
  if (at == std::string_view::npos) bad("the boundary does not occur in the body");
  at += at == 0 && body.starts_with(delimiter) ? delimiter.size() : next.size();
  std::vector<Part> parts;
  while (body.substr(at, 2) != "--") {
    const size_t headers =
        body.find("\r\n", at);  // what may stand between the boundary and the end of its line is space
    if (headers == std::string_view::npos) bad("the last part has no end");
    const bool none = body.substr(headers + 2, 2) == "\r\n";
    const size_t blank = none ? headers : body.substr(0, headers + kMaxPartHeader).find("\r\n\r\n", headers);
    if (blank == std::string_view::npos) bad("the headers of a part have no end");
    const size_t end = body.find(next, blank + 2);
    if (end == std::string_view::npos) bad("the last part has no end");
    if (parts.size() >= kMaxParts) bad("too many parts");
    const size_t begin = std::min(blank + 4, end);
    parts.push_back(
        read_part(none ? "" : body.substr(headers + 2, blank - headers - 2), body.substr(begin, end - begin)));
    at = end + next.size();
  }
  return parts;
}

const Part* find_part(const std::vector<Part>& parts, std::string_view name) {
  for (const Part& part : parts)
    if (part.name == name) return &part;
  return nullptr;
}

std::string field(const std::vector<Part>& parts, std::string_view name) {
  const Part* part = find_part(parts, name);
  return part ? std::string(part->data) : "";
}

}  // namespace easel::server
