// String nodes, with Python's ideas of characters, case and white space.
#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "nodes/families.h"
#include "nodes/python_regex.h"

namespace easel {
namespace {

using icu::UnicodeString;

UnicodeString decode(const std::string& text) { return UnicodeString::fromUTF8(text); }
std::string encode(const UnicodeString& text) {
  std::string made;
  return text.toUTF8String(made);
}
std::string lower(const std::string& text) { return encode(decode(text).toLower(icu::Locale::getRoot())); }

std::string concatenate(const std::string& a, const std::string& b, const std::string& delimiter) {
  return a + delimiter + b;
}

// string[start:end], in characters; negative ones count from the end.
std::string substring(const std::string& text, int64_t start, int64_t end) {
  const UnicodeString units = decode(text);
  const int64_t length = units.countChar32();
  const auto clamped = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + length : i, 0, length); };
  const int64_t from = clamped(start), to = clamped(end);
  if (from >= to) return "";
  const int32_t first = units.moveIndex32(0, static_cast<int32_t>(from));
  const int32_t last = units.moveIndex32(0, static_cast<int32_t>(to));
  return encode(units.tempSubStringBetween(first, last));
}

int64_t length(const std::string& text) { return decode(text).countChar32(); }

// Words begin after every character that has no case: "it's" -> "It'S".
UnicodeString title_case(const UnicodeString& text) {
  UnicodeString made;
  bool inside = false;
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
    UnicodeString one(text.char32At(i));
    const bool cased = u_hasBinaryProperty(text.char32At(i), UCHAR_CASED);
    made.append(inside ? one.toLower(icu::Locale::getRoot()) : one.toTitle(nullptr, icu::Locale::getRoot()));
    inside = cased;
  }
  return made;
}

std::string convert_case(const std::string& text, const std::string& mode) {
  UnicodeString units = decode(text);
  const icu::Locale& root = icu::Locale::getRoot();
  if (mode == "UPPERCASE") return encode(units.toUpper(root));
  if (mode == "lowercase") return encode(units.toLower(root));
  if (mode == "Title Case") return encode(title_case(units));
  if (mode != "Capitalize") return text;
  if (units.isEmpty()) return "";
  const int32_t second = units.moveIndex32(0, 1);
  UnicodeString first(units, 0, second), rest(units, second);
  return encode(first.toTitle(nullptr, root) + rest.toLower(root));
}

bool is_space(UChar32 c) { return u_isUWhiteSpace(c) || (c >= 0x1c && c <= 0x1f); }

std::string trim(const std::string& text, const std::string& mode) {
  const UnicodeString units = decode(text);
  int32_t begin = 0, end = units.length();
  if (mode != "Right")
    while (begin < end && is_space(units.char32At(begin))) begin = units.moveIndex32(begin, 1);
  if (mode != "Left")
    while (end > begin && is_space(units.char32At(units.moveIndex32(end, -1)))) end = units.moveIndex32(end, -1);
  return encode(units.tempSubStringBetween(begin, end));
}

// An empty `find` stands before every character and at the end.
std::string replace(const std::string& text, const std::string& find, const std::string& with) {
  std::string made;
  if (find.empty()) {
    const UnicodeString units = decode(text);
    for (int32_t i = 0; i < units.length(); i = units.moveIndex32(i, 1)) made += with + encode(units.char32At(i));
    return made + with;
  }
  size_t done = 0;
  for (size_t at; (at = text.find(find, done)) != std::string::npos; done = at + find.size())
    made += text.substr(done, at - done) + with;
  return made + text.substr(done);
}

bool contains(const std::string& text, const std::string& part, bool case_sensitive) {
  return (case_sensitive ? text : lower(text)).find(case_sensitive ? part : lower(part)) != std::string::npos;
}

bool compare(const std::string& string_a, const std::string& string_b, const std::string& mode, bool case_sensitive) {
  const std::string a = case_sensitive ? string_a : lower(string_a), b = case_sensitive ? string_b : lower(string_b);
  if (mode == "Equal") return a == b;
  return mode == "Starts With" ? a.starts_with(b) : a.ends_with(b);
}

// A malformed pattern matches nothing here and in regex_extract; regex_replace fails.
bool regex_match(const std::string& text, const std::string& pattern, bool ignore_case, bool multiline, bool dotall) {
  std::optional<PythonRegex> regex;
  try {
    regex.emplace(pattern, RegexFlags{ignore_case, multiline, dotall});
  } catch (const Error&) {
    return false;
  }
  return !regex->find(text, 1).empty();
}

std::string regex_extract(const std::string& text, const std::string& pattern, const std::string& mode,
                          bool ignore_case, bool multiline, bool dotall, int64_t group_index) {
  std::optional<PythonRegex> regex;
  try {
    regex.emplace(pattern, RegexFlags{ignore_case, multiline, dotall});
  } catch (const Error&) {
    return "";
  }
  const bool all = mode == "All Matches" || mode == "All Groups";
  int64_t group = group_index;
  if (mode == "First Match") group = 0;
  if (mode == "All Matches") group = regex->group_count() > 0 ? 1 : 0;  // what findall gives, its first element
  if (group > regex->group_count() || (mode == "All Groups" && regex->group_count() == 0)) return "";
  std::string made;
  bool first = true;
  for (const RegexMatch& match : regex->find(text, all ? 0 : 1)) {
    if (!first) made += '\n';
    first = false;
    if (match.groups[group]) made += encode(*match.groups[group]);
  }
  return made;
}

std::string regex_replace(const std::string& text, const std::string& pattern, const std::string& with,
                          std::optional<bool> ignore_case, std::optional<bool> multiline, std::optional<bool> dotall,
                          std::optional<int64_t> count) {
  const RegexFlags flags{ignore_case.value_or(true), multiline.value_or(false), dotall.value_or(false)};
  return PythonRegex(pattern, flags).substitute(text, with, static_cast<size_t>(count.value_or(0)));
}

Input lines(std::string name) { return text(std::move(name), {.multiline = true}); }
Input flag(std::string name, bool value) { return boolean(std::move(name), {.value = value}); }

void add_string(Registry& registry, Node node) {
  node.category = "utils/string";
  node.v3 = true;
  node.module = "comfy_extras.nodes_string";
  registry.add(std::move(node));
}

void add_changing(Registry& registry) {
  add_string(registry,
             {.id = "StringConcatenate",
              .title = "Concatenate",
              .about = "Two texts one after the other, with something between them.",
              .inputs = {lines("string_a"), lines("string_b"), text("delimiter", {.value = "", .multiline = false})},
              .run = concatenate});
  add_string(registry,
             {.id = "StringSubstring",
              .title = "Substring",
              .about = "A part of a text, from one character up to another; negative ones count from the end.",
              .inputs = {lines("string"), integer("start"), integer("end")},
              .run = substring});
  add_string(registry, {.id = "StringLength",
                        .title = "Length",
                        .about = "How many characters a text has.",
                        .inputs = {lines("string")},
                        .outputs = {{.name = "length"}},
                        .run = length});
  add_string(registry,
             {.id = "CaseConverter",
              .title = "Case Converter",
              .about = "A text in capitals, small letters or something between.",
              .inputs = {lines("string"), choice("mode", {"UPPERCASE", "lowercase", "Capitalize", "Title Case"})},
              .run = convert_case});
  add_string(registry, {.id = "StringTrim",
                        .title = "Trim",
                        .about = "A text without the white space around it.",
                        .inputs = {lines("string"), choice("mode", {"Both", "Left", "Right"})},
                        .run = trim});
  add_string(registry, {.id = "StringReplace",
                        .title = "Replace",
                        .about = "A text with every occurrence of something replaced.",
                        .inputs = {lines("string"), lines("find"), lines("replace")},
                        .run = replace});
}

void add_testing(Registry& registry) {
  add_string(registry, {.id = "StringContains",
                        .title = "Contains",
                        .about = "Whether a text has another one in it.",
                        .inputs = {lines("string"), lines("substring"), flag("case_sensitive", true)},
                        .outputs = {{.name = "contains"}},
                        .run = contains});
  add_string(registry, {.id = "StringCompare",
                        .title = "Compare",
                        .about = "Whether a text begins or ends with another one, or equals it.",
                        .inputs = {lines("string_a"), lines("string_b"),
                                   choice("mode", {"Starts With", "Ends With", "Equal"}), flag("case_sensitive", true)},
                        .run = compare});
}

void add_regex(Registry& registry) {
  add_string(registry, {.id = "RegexMatch",
                        .title = "Regex Match",
                        .about = "Whether a regular expression matches somewhere in a text.",
                        .inputs = {lines("string"), lines("regex_pattern"), flag("case_insensitive", true),
                                   flag("multiline", false), flag("dotall", false)},
                        .outputs = {{.name = "matches"}},
                        .run = regex_match});
  add_string(registry, {.id = "RegexExtract",
                        .title = "Regex Extract",
                        .about = "What a regular expression, or one of its groups, matches in a text, line by line.",
                        .inputs = {lines("string"), lines("regex_pattern"),
                                   choice("mode", {"First Match", "All Matches", "First Group", "All Groups"}),
                                   flag("case_insensitive", true), flag("multiline", false), flag("dotall", false),
                                   integer("group_index", {.value = 1, .min = 0, .max = 100})},
                        .run = regex_extract});
  add_string(registry, {.id = "RegexReplace",
                        .title = "Regex Replace",
                        .about = "A text with what a regular expression matches replaced; \\1 or \\g<name> puts in a "
                                 "group.",
                        .inputs = {lines("string"), lines("regex_pattern"), lines("replace"),
                                   flag("case_insensitive", true), flag("multiline", false), flag("dotall", false),
                                   integer("count", {.value = 0, .min = 0, .max = 100})},
                        .run = regex_replace});
}

}  // namespace

void add_string_nodes(Registry& registry) {
  add_changing(registry);
  add_testing(registry);
  add_regex(registry);
}

}  // namespace easel
