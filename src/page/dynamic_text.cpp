#include "page/dynamic_text.h"

#include <fmt/format.h>

#include <vector>

namespace easel::page {
namespace {

std::string without_comments(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t end = text.substr(i, 2) == "/*"   ? text.find("*/", i + 2)
                       : text.substr(i, 2) == "//" ? text.find_first_of("\r\n", i)
                                                   : i;
    if (end == i || (end == text.npos && text[i + 1] == '*')) {
      out += text[i++];
    } else {
      i = end == text.npos ? text.size() : text[i + 1] == '*' ? end + 2 : end;
    }
  }
  return out;
}

// The alternatives of the block that begins at `i` (behind its brace), which is moved behind its end. Alternatives of
// blocks inside it stay in one piece.
std::vector<std::string_view> alternatives(std::string_view text, size_t& i) {
  std::vector<std::string_view> found;
  size_t begin = i;
  for (size_t depth = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && depth-- == 0) {
      break;
    } else if (text[i] == '|' && depth == 0) {
      found.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  const size_t end = std::min(i, text.size());
  found.push_back(text.substr(begin, end - begin));
  i = end + 1;
  return found;
}

constexpr int kMaxNesting = 100;

std::string choose(std::string_view text, const Pick& pick, int nesting) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i++];
    if (c == '\\' && i < text.size()) {
      const char next = text[i++];
      if (next != '{' && next != '}' && next != '|') out += c;
      out += next;
    } else if (c == '{' && nesting < kMaxNesting) {
      const auto choices = alternatives(text, i);
      out += choose(choices[pick(choices.size())], pick, nesting + 1);
    } else {
      out += c;
    }
  }
  return out;
}

// d M h m s once or twice (padded), yy and yyyy; any other letter stays.
std::string format_date(std::string_view format, const std::tm& now) {
  std::string out;
  for (size_t i = 0; i < format.size();) {
    size_t run = 1;
    const size_t most = format[i] == 'y' ? 4 : 2;
    while (run < most && i + run < format.size() && format[i + run] == format[i]) ++run;
    const auto number = [&](int value) { out += fmt::format("{:0{}}", value, run); };
    const int year = now.tm_year + 1900;
    switch (format[i]) {
      case 'd':
        number(now.tm_mday);
        break;
      case 'M':
        number(now.tm_mon + 1);
        break;
      case 'h':
        number(now.tm_hour);
        break;
      case 'm':
        number(now.tm_min);
        break;
      case 's':
        number(now.tm_sec);
        break;
      default:
        if (format[i] == 'y' && run == 4)
          out += std::to_string(year);
        else if (format[i] == 'y' && run == 2)
          out += fmt::format("{:02}", year % 100);
        else
          out += format.substr(i, run);
    }
    i += run;
  }
  return out;
}

std::string fit_for_file(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f ||
        std::string_view("/?<>\\:*|\"").find(c) != std::string_view::npos)
      c = '_';
  return text;
}

}  // namespace

std::string choose_alternatives(std::string_view text, const Pick& pick) {
  return choose(without_comments(text), pick, 0);
}

std::string fill_in(const std::string& text, const std::tm& now, const LookUp& look_up) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t end = text[i] == '%' ? text.find('%', i + 1) : text.npos;
    if (end == text.npos || end == i + 1) {
      out += text[i++];
      continue;
    }
    const std::string inside = text.substr(i + 1, end - i - 1);
    const size_t dot = inside.find('.');
    std::optional<std::string> value;
    if (inside.starts_with("date:")) {
      value = format_date(std::string_view(inside).substr(5), now);
    } else if (dot != std::string::npos && inside.find('.', dot + 1) == std::string::npos) {
      value = look_up(inside.substr(0, dot), inside.substr(dot + 1));
      if (value) value = fit_for_file(*value);
    }
    out += value ? *value : text.substr(i, end + 1 - i);
    i = end + 1;
  }
  return out;
}

}  // namespace easel::page
