#include "nodes/python_regex.h"

#include <cctype>

#include "base/error.h"

namespace easel {
namespace {

constexpr int32_t kTimeLimit = 1000;         // ICU's units, about a millisecond each
constexpr int32_t kStackLimit = 64'000'000;  // bytes

// Rewrites a Python pattern as ICU wants it, byte by byte: all that matters is ASCII.
class Translation {
 public:
  explicit Translation(const std::string& pattern) : in_(pattern) {
    while (at_ < in_.size()) step();
  }
  std::string out;
  std::map<std::string, int> names;

 private:
  bool ahead(std::string_view text) const { return in_.compare(at_, text.size(), text) == 0; }
  void copy(size_t count) {
    out += in_.substr(at_, count);
    at_ += count;
  }
  [[noreturn]] void bad(const char* why) const { fail("regex: '{}': {} at position {}", in_, why, at_); }

  // The name up to `close`, moving past it.
  std::string name_until(char close) {
    const size_t end = in_.find(close, at_);
    if (end == std::string::npos) bad("unterminated group name");
    const std::string name = in_.substr(at_, end - at_);
    at_ = end + 1;
    if (name.empty()) bad("missing group name");
    return name;
  }

  void step() {
    switch (in_[at_]) {
      case '\\':
        return escape(false);
      case '[':
        return set();
      case '(':
        return group();
      case '{':
        return brace();
      case '}':
        out += "\\}";
        at_++;
        return;
      default:
        copy(1);
    }
  }

  // Python knows \A \Z \b \B \d \D \s \S \w \W, escapes of characters, octals and back references; any other letter is
  // an error there.
  void escape(bool in_set) {
    if (at_ + 1 >= in_.size()) bad("bad escape (end of pattern)");
    const char c = in_[at_ + 1];
    const std::string_view letters = in_set ? "abfnrtvxuUdDsSwW" : "AZabBfnrtvxuUdDsSwW";
    if (std::isalpha(static_cast<unsigned char>(c)) && letters.find(c) == std::string_view::npos) bad("bad escape");
    if (c == 'Z') return replace_escape("\\z");
    if (c == 'v') return replace_escape("\\x0b");
    if (c == 'b' && in_set) return replace_escape("\\x08");
    copy(2);
  }
  void replace_escape(const char* with) {
    out += with;
    at_ += 2;
  }

  // ICU nests sets and knows && and --: their characters are plain in Python.
  void set() {
    copy(1);
    if (at_ < in_.size() && in_[at_] == '^') copy(1);
    for (bool first = true; at_ < in_.size(); first = false) {
      const char c = in_[at_];
      if (c == ']' && !first) return copy(1);
      if (c == '\\') {
        escape(true);
      } else if (c == '[' || c == ']' || c == '&' || c == '{' || c == '}' || c == '$') {
        out += '\\';
        copy(1);
      } else if (c == '-' && ahead("--")) {
        out += "\\-";
        at_++;
      } else {
        copy(1);
      }
    }
    bad("unterminated character set");
  }

  // Groups are counted, so that names, which ICU restricts to letters and digits, can become numbers.
  void group() {
    if (ahead("(?P<")) {
      at_ += 4;
      names[name_until('>')] = ++groups_;
      out += '(';
    } else if (ahead("(?P=")) {
      at_ += 4;
      const auto name = names.find(name_until(')'));
      if (name == names.end()) bad("unknown group name");
      out += fmt::format("(?:\\{})", name->second);
    } else if (ahead("(?(")) {
      bad("conditional groups are not supported");
    } else if (ahead("(?#")) {
      const size_t end = in_.find(')', at_);
      if (end == std::string::npos) bad("unterminated comment");
      at_ = end + 1;
    } else if (ahead("(?")) {
      copy(2);
    } else {
      groups_++;
      copy(1);
    }
  }

  // {n}, {n,}, {,m} and {n,m} repeat; anything else is a plain brace.
  void brace() {
    const size_t close = in_.find('}', at_);
    std::string inside = close == std::string::npos ? "" : in_.substr(at_ + 1, close - at_ - 1);
    const size_t comma = inside.find(',');
    const bool counts = !inside.empty() && inside != "," &&
                        inside.find_first_not_of("0123456789,") == std::string::npos &&
                        (comma == std::string::npos || inside.find(',', comma + 1) == std::string::npos);
    if (!counts) {
      out += "\\{";
      at_++;
      return;
    }
    if (comma == 0) inside = "0" + inside;
    out += "{" + inside + "}";
    at_ = close + 1;
  }

  const std::string& in_;
  size_t at_ = 0;
  int groups_ = 0;
};

void check(UErrorCode status, const char* what) {
  if (status == U_REGEX_TIME_OUT || status == U_REGEX_STACK_OVERFLOW)
    fail("regex: {} takes too long; nested repeats such as (a+)+ can take forever", what);
  if (U_FAILURE(status)) fail("regex: {}: {}", what, u_errorName(status));
}

std::string utf8(const icu::UnicodeString& text) {
  std::string made;
  return text.toUTF8String(made);
}

}  // namespace

PythonRegex::PythonRegex(const std::string& pattern, RegexFlags flags) {
  Translation translation(pattern);
  names_ = std::move(translation.names);
  uint32_t bits = UREGEX_UNIX_LINES;  // only \n ends a line
  if (flags.ignore_case) bits |= UREGEX_CASE_INSENSITIVE;
  if (flags.multiline) bits |= UREGEX_MULTILINE;
  if (flags.dotall) bits |= UREGEX_DOTALL;
  UErrorCode status = U_ZERO_ERROR;
  UParseError where{};
  pattern_.reset(icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(translation.out), bits, where, status));
  if (U_FAILURE(status)) fail("regex: '{}' is malformed: {}", pattern, u_errorName(status));
  const std::unique_ptr<icu::RegexMatcher> matcher(pattern_->matcher(status));
  check(status, "the pattern");
  group_count_ = matcher->groupCount();
}

std::vector<RegexMatch> PythonRegex::find(const std::string& text, size_t limit) const {
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString input = icu::UnicodeString::fromUTF8(text);
  const std::unique_ptr<icu::RegexMatcher> matcher(pattern_->matcher(input, status));
  check(status, "the pattern");
  matcher->setTimeLimit(kTimeLimit, status);
  matcher->setStackLimit(kStackLimit, status);
  std::vector<RegexMatch> matches;
  while ((limit == 0 || matches.size() < limit) && matcher->find(status)) {
    RegexMatch match{matcher->start(status), matcher->end(status), {}};
    for (int group = 0; group <= group_count_; group++) {
      const bool took_part = matcher->start(group, status) >= 0;
      match.groups.push_back(took_part ? std::optional(matcher->group(group, status)) : std::nullopt);
    }
    matches.push_back(std::move(match));
  }
  check(status, "the search");
  return matches;
}

std::vector<PythonRegex::Piece> PythonRegex::parse_template(const std::string& replacement) const {
  std::vector<Piece> pieces;
  std::string literal;
  auto flush = [&](int group) {
    if (group > group_count_) fail("regex: invalid group reference {} in '{}'", group, replacement);
    pieces.push_back({icu::UnicodeString::fromUTF8(literal), group});
    literal.clear();
  };
  for (size_t at = 0; at < replacement.size(); at++) {
    if (replacement[at] != '\\') {
      literal += replacement[at];
      continue;
    }
    if (++at >= replacement.size()) fail("regex: bad escape (end of pattern) in '{}'", replacement);
    const char c = replacement[at];
    const std::string_view letters = "abfnrtv", meaning = "\a\b\f\n\r\t\v";
    if (c == 'g' && at + 1 < replacement.size() && replacement[at + 1] == '<') {
      const size_t end = replacement.find('>', at);
      if (end == std::string::npos) fail("regex: missing > in '{}'", replacement);
      const std::string name = replacement.substr(at + 2, end - at - 2);
      const bool number = !name.empty() && name.size() < 4 && name.find_first_not_of("0123456789") == std::string::npos;
      if (!number && !names_.contains(name)) fail("regex: unknown group name '{}' in '{}'", name, replacement);
      flush(number ? std::stoi(name) : names_.at(name));
      at = end;
    } else if (c >= '1' && c <= '9') {
      int group = c - '0';
      if (at + 1 < replacement.size() && std::isdigit(static_cast<unsigned char>(replacement[at + 1])))
        group = group * 10 + (replacement[++at] - '0');
      flush(group);
    } else if (c == '0') {
      literal += '\0';
    } else if (const size_t known = letters.find(c); known != std::string_view::npos) {
      literal += meaning[known];
    } else if (std::isalpha(static_cast<unsigned char>(c))) {
      fail("regex: bad escape \\{} in '{}'", c, replacement);
    } else {
      if (c != '\\') literal += '\\';
      literal += c;
    }
  }
  flush(-1);
  return pieces;
}

std::string PythonRegex::substitute(const std::string& text, const std::string& replacement, size_t count) const {
  const auto pieces = parse_template(replacement);
  const icu::UnicodeString input = icu::UnicodeString::fromUTF8(text);
  icu::UnicodeString made;
  int32_t done = 0;
  for (const RegexMatch& match : find(text, count)) {
    made.append(input, done, match.begin - done);
    for (const Piece& piece : pieces) {
      made.append(piece.text);
      if (piece.group >= 0 && match.groups[piece.group]) made.append(*match.groups[piece.group]);
    }
    done = match.end;
  }
  made.append(input, done, input.length() - done);
  return utf8(made);
}

}  // namespace easel
