#include "graph/python.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace easel::python {
namespace {

std::string_view strip(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\v\f\x1c\x1d\x1e\x1f";
  size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes out underscores; false where one does not stand between two digits.
bool drop_underscores(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || i + 1 == text.size() || !is_digit(text[i - 1]) || !is_digit(text[i + 1])) {
      return false;
    }
  }
  return true;
}

// Python's repr of a finite double: the shortest digits that read back, an exponent below 1e-4 and from 1e16 on.
std::string repr_double(double value) {
  char buffer[40];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string_view shortest(buffer, end - buffer);
  const size_t e = shortest.find('e');
  int exponent = 0;
  std::from_chars(shortest.data() + e + (shortest[e + 1] == '+' ? 2 : 1), end, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(shortest);
  end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  std::string text(buffer, end);
  return text.find('.') == text.npos ? text + ".0" : text;
}

Json truncate(double value) {
  value = std::trunc(value);
  if (value >= -0x1p63 && value < 0x1p63) return static_cast<int64_t>(value);
  if (value >= 0 && value < 0x1p64) return static_cast<uint64_t>(value);
  return value;
}

Converted int_from_text(const std::string& text) {
  const Converted bad = {nullptr, "invalid literal for int() with base 10: " + quote(text)};
  std::string digits;
  if (!drop_underscores(strip(text), digits)) return bad;
  const bool negative = !digits.empty() && digits[0] == '-';
  const char* begin = digits.data() + (negative || (!digits.empty() && digits[0] == '+'));
  const char* end = digits.data() + digits.size();
  if (begin == end || std::any_of(begin, end, [](char c) { return !is_digit(c); })) return bad;
  uint64_t magnitude = 0;
  if (std::from_chars(begin, end, magnitude).ec != std::errc() || (negative && magnitude > uint64_t{1} << 63)) {
    const double near = std::strtod(digits.c_str(), nullptr);
    if (!std::isfinite(near)) return {nullptr, "Exceeds the limit for integer string conversion"};
    return {near, ""};
  }
  if (negative) return {static_cast<int64_t>(0 - magnitude), ""};
  return {magnitude <= INT64_MAX ? Json(static_cast<int64_t>(magnitude)) : Json(magnitude), ""};
}

Converted float_from_text(const std::string& text) {
  const Converted bad = {nullptr, "could not convert string to float: " + quote(text)};
  std::string digits;
  if (!drop_underscores(strip(text), digits)) return bad;
  const char* begin = digits.data();
  const char* end = begin + digits.size();
  if (begin != end && *begin == '+') ++begin;
  if (begin != end && begin[0] == '-' && begin != digits.data()) return bad;  // "+-1"
  double value = 0;
  auto [rest, error] = std::from_chars(begin, end, value);
  if (rest != end || error == std::errc::invalid_argument) return bad;
  // from_chars leaves the value alone both on overflow and on underflow; strtod tells them apart.
  if (error == std::errc::result_out_of_range) value = std::strtod(begin, nullptr);
  if (!std::isfinite(value)) return {nullptr, "a finite number is needed, not " + quote(text)};
  return {value, ""};
}

}  // namespace

const char* type_name(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "NoneType";
    case Json::value_t::boolean:
      return "bool";
    case Json::value_t::string:
      return "str";
    case Json::value_t::array:
      return "list";
    case Json::value_t::object:
      return "dict";
    case Json::value_t::number_float:
      return "float";
    default:
      return "int";
  }
}

Converted to_int(const Json& value) {
  if (value.is_number_integer()) return {value, ""};
  if (value.is_boolean()) return {value.get<bool>() ? 1 : 0, ""};
  if (value.is_number_float()) return {truncate(value.get<double>()), ""};
  if (value.is_string()) return int_from_text(value.get_ref<const std::string&>());
  return {nullptr, fmt::format("int() argument must be a string, a bytes-like object or a real number, not '{}'",
                               type_name(value))};
}

Converted to_float(const Json& value) {
  if (value.is_number()) return {value.get<double>(), ""};
  if (value.is_boolean()) return {value.get<bool>() ? 1.0 : 0.0, ""};
  if (value.is_string()) return float_from_text(value.get_ref<const std::string&>());
  return {nullptr, fmt::format("float() argument must be a string or a real number, not '{}'", type_name(value))};
}

bool to_bool(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();
}

std::string str(const Json& value) { return value.is_string() ? value.get<std::string>() : repr(value); }

std::string quote(std::string_view text) {
  const char mark = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, mark);
  for (char c : text) {
    if (c == mark || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + mark;
}

std::string quote(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? ", " : "") + quote(text);
  return out + "]";
}

std::string repr(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "None";
    case Json::value_t::boolean:
      return value.get<bool>() ? "True" : "False";
    case Json::value_t::string:
      return quote(value.get_ref<const std::string&>());
    case Json::value_t::number_float:
      return repr_double(value.get<double>());
    case Json::value_t::array: {
      std::string out = "[";
      for (const Json& item : value) out += (out.size() > 1 ? ", " : "") + repr(item);
      return out + "]";
    }
    case Json::value_t::object: {
      std::string out = "{";
      for (const auto& [key, item] : value.items())
        out += (out.size() > 1 ? ", " : "") + quote(key) + ": " + repr(item);
      return out + "}";
    }
    default:
      return value.dump();
  }
}

}  // namespace easel::python
