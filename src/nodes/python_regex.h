// Regular expressions as Python's `re` reads them, on top of ICU's. The pattern is translated where the two differ:
// named groups, \Z, sets, stray braces. Look-behind, back references and inline flags are ICU's. Not supported:
// conditional groups (?(1)a|b). A match that takes longer than about a second fails (nested repeats can take forever).
#pragma once
#include <unicode/regex.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace easel {

struct RegexFlags {
  bool ignore_case = false, multiline = false, dotall = false;
};

// A match: groups[0] is the whole; a group that took no part is empty.
struct RegexMatch {
  int32_t begin = 0, end = 0;  // UTF-16 units
  std::vector<std::optional<icu::UnicodeString>> groups;
};

class PythonRegex {
 public:
  // Throws Error, naming the pattern, where it is malformed.
  PythonRegex(const std::string& pattern, RegexFlags flags);

  int group_count() const { return group_count_; }

  // Python's finditer: non-overlapping matches, empty ones too, but at most `limit` where that is not 0.
  std::vector<RegexMatch> find(const std::string& text, size_t limit = 0) const;

  // Python's sub with a template (\1, \g<1>, \g<name>, \n, …); count 0 replaces all.
  std::string substitute(const std::string& text, const std::string& replacement, size_t count = 0) const;

 private:
  // A piece of a template: literal text, then the group that follows it (-1: none).
  struct Piece {
    icu::UnicodeString text;
    int group = -1;
  };
  std::vector<Piece> parse_template(const std::string& replacement) const;

  std::shared_ptr<const icu::RegexPattern> pattern_;
  int group_count_ = 0;
  std::map<std::string, int> names_;
};

}  // namespace easel
