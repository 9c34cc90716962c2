#include "text/prompt_weights.h"

#include <stdlib.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <cctype>
#include <limits>

#include "base/error.h"

namespace easel {
namespace {

constexpr int kMaxNesting = 500;
// Escaped brackets while the others are looked for: bytes that no UTF-8 text holds.
constexpr char kOpen = '\xfe', kClose = '\xff';

// "\(" and "\)" out of the way.
std::string with_escapes_hidden(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '(' || text[i + 1] == ')');
    out += escape ? (text[++i] == '(' ? kOpen : kClose) : text[i];
  }
  return out;
}

std::string with_escapes_shown(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c == kOpen ? '(' : c == kClose ? ')' : c;
  return out;
}

// The text cut at its outermost brackets, which stay on their pieces: "a (b (c)) d" -> "a ", "(b (c))", " d". A bracket
// closed without having been opened shifts the count for the rest, as it does in ComfyUI.
std::vector<std::string_view> split_at_brackets(std::string_view text) {
  std::vector<std::string_view> pieces;
  size_t begin = 0;
  int64_t nesting = 0;
  const auto cut = [&](size_t end) {
    if (end > begin) pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(' && nesting++ == 0) cut(i);
    if (text[i] == ')' && --nesting == 0) cut(i + 1);
  }
  cut(text.size());
  return pieces;
}

void collect(std::string_view text, double weight, int depth, std::vector<WeightedText>& out) {
  if (depth > kMaxNesting) fail("parse_prompt_weights: brackets nested deeper than {}", kMaxNesting);
  for (std::string_view piece : split_at_brackets(text)) {
    if (piece.size() < 2 || piece.front() != '(' || piece.back() != ')') {
      out.push_back({with_escapes_shown(piece), weight});
      continue;
    }
    piece = piece.substr(1, piece.size() - 2);
    double inner = weight * 1.1;
    const size_t colon = piece.rfind(':');
    if (colon != piece.npos && colon > 0) {
      if (const auto given = parse_python_float(piece.substr(colon + 1))) {
        inner = *given;
        piece = piece.substr(0, colon);
      }
    }
    collect(piece, inner, depth + 1, out);
  }
}

// Unicode spaces trimmed, decimal digits of any script in ASCII; nothing if another character above ASCII is left.
std::optional<std::string> ascii_number(std::string_view text) {
  const auto is_space = [](UChar32 c) { return u_isUWhiteSpace(c) || (c >= 0x1C && c <= 0x1F); };
  std::string out;
  bool ended = false;
  const auto length = static_cast<int32_t>(text.size());
  for (int32_t at = 0; at < length;) {
    UChar32 c;
    U8_NEXT(text.data(), at, length, c);
    if (c < 0) return std::nullopt;
    if (is_space(c)) {
      ended = !out.empty();
      continue;
    }
    if (ended) return std::nullopt;
    const int32_t digit = u_charType(c) == U_DECIMAL_DIGIT_NUMBER ? u_charDigitValue(c) : -1;
    if (digit < 0 && c > 0x7E) return std::nullopt;
    out += static_cast<char>(digit < 0 ? c : '0' + digit);
  }
  return out;
}

// digits, with single underscores between them; false if there is none.
bool take_digits(std::string_view text, size_t& at, std::string& out) {
  const auto is_digit = [&](size_t i) { return i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])); };
  if (!is_digit(at)) return false;
  while (is_digit(at) || (at < text.size() && text[at] == '_' && is_digit(at + 1))) {
    if (text[at] != '_') out += text[at];
    ++at;
  }
  return true;
}

}  // namespace

std::optional<double> parse_python_float(std::string_view text) {
  const auto ascii = ascii_number(text);
  if (!ascii || ascii->empty()) return std::nullopt;
  std::string number;
  size_t at = 0;
  if ((*ascii)[0] == '+' || (*ascii)[0] == '-') number += (*ascii)[at++];
  std::string word = ascii->substr(at);
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const double sign = number == "-" ? -1 : 1;
  if (word == "inf" || word == "infinity") return sign * std::numeric_limits<double>::infinity();
  if (word == "nan") return std::numeric_limits<double>::quiet_NaN();

  const bool whole = take_digits(*ascii, at, number);
  bool fraction = false;
  if (at < ascii->size() && (*ascii)[at] == '.') {
    number += (*ascii)[at++];
    fraction = take_digits(*ascii, at, number);
  }
  if (!whole && !fraction) return std::nullopt;
  if (at < ascii->size() && ((*ascii)[at] == 'e' || (*ascii)[at] == 'E')) {
    number += (*ascii)[at++];
    if (at < ascii->size() && ((*ascii)[at] == '+' || (*ascii)[at] == '-')) number += (*ascii)[at++];
    if (!take_digits(*ascii, at, number)) return std::nullopt;
  }
  if (at != ascii->size()) return std::nullopt;
  // Not from_chars: 1e400 is infinity and 1e-400 is 0 in Python. No part of easel changes the C locale.
  return strtod(number.c_str(), nullptr);
}

std::vector<WeightedText> parse_prompt_weights(std::string_view prompt) {
  std::vector<WeightedText> out;
  collect(with_escapes_hidden(prompt), 1.0, 0, out);
  return out;
}

}  // namespace easel
