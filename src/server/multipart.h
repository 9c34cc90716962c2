// multipart/form-data, as browsers and Python's clients send it. The parts are views into the body: nothing is copied.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace easel::server {

struct Part {
  std::string name;
  std::optional<std::string> filename;
  std::string_view data;
};

inline constexpr size_t kMaxParts = 100, kMaxPartHeader = 16 * 1024;

// HttpError 400 for another content type, a missing or wrong boundary, a part without a name or without an end, more
// than kMaxParts, or headers of more than kMaxPartHeader. Linear in the body.
std::vector<Part> parse_multipart(std::string_view content_type, std::string_view body);

// The first part of that name, or null.
const Part* find_part(const std::vector<Part>& parts, std::string_view name);
std::string field(const std::vector<Part>& parts, std::string_view name);  // its text, "" if absent

}  // namespace easel::server
