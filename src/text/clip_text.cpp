#include "text/clip_text.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/regex.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <map>
#include <memory>

#include "base/error.h"

namespace easel {
namespace {

constexpr int kMaxRounds = 8;  // ftfy repeats its steps until nothing changes

// Windows-1252's characters for the bytes 0x80 to 0x9F; 0 where it has none.
constexpr char16_t kWindows1252[32] = {0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                       0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017D, 0,
                                       0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                       0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

const std::map<UChar32, icu::UnicodeString> kLigatures = {
    {0x0132, u"IJ"},      {0x0133, u"ij"},      {0x0149, u"\u02BCn"}, {0x01F1, u"DZ"}, {0x01F2, u"Dz"}, {0x01F3, u"dz"},
    {0x01C4, u"D\u017D"}, {0x01C5, u"D\u017E"}, {0x01C6, u"d\u017E"}, {0x01C7, u"LJ"}, {0x01C8, u"Lj"}, {0x01C9, u"lj"},
    {0x01CA, u"NJ"},      {0x01CB, u"Nj"},      {0x01CC, u"nj"},      {0xFB00, u"ff"}, {0xFB01, u"fi"}, {0xFB02, u"fl"},
    {0xFB03, u"ffi"},     {0xFB04, u"ffl"},     {0xFB05, u"\u017Ft"}, {0xFB06, u"st"}};

const std::map<icu::UnicodeString, UChar32> kEntities = {
    {u"amp", '&'},      {u"lt", '<'},        {u"gt", '>'},       {u"quot", '"'},     {u"apos", '\''},
    {u"nbsp", 0xA0},    {u"hellip", 0x2026}, {u"ndash", 0x2013}, {u"mdash", 0x2014}, {u"lsquo", 0x2018},
    {u"rsquo", 0x2019}, {u"ldquo", 0x201C},  {u"rdquo", 0x201D}, {u"copy", 0xA9},    {u"reg", 0xAE},
    {u"trade", 0x2122}, {u"deg", 0xB0},      {u"times", 0xD7},   {u"eacute", 0xE9},  {u"uuml", 0xFC}};

bool is_dropped(UChar32 c) {
  return c < 0x09 || c == 0x0B || (c >= 0x0E && c < 0x20) || c == 0x7F || (c >= 0x206A && c < 0x2070) || c == 0xFEFF ||
         (c >= 0xFFF9 && c < 0xFFFD);
}

bool is_space(UChar32 c) { return u_isUWhiteSpace(c); }

template <class Visit>
void for_each_character(const icu::UnicodeString& text, const Visit& visit) {
  for (int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1)) visit(text.char32At(at));
}

// Words parted by single spaces, none at the ends.
icu::UnicodeString with_single_spaces(const icu::UnicodeString& text) {
  icu::UnicodeString out;
  bool gap = false;
  for_each_character(text, [&](UChar32 c) {
    if (is_space(c)) {
      gap = !out.isEmpty();
      return;
    }
    if (gap) out += u' ';
    gap = false;
    out.append(c);
  });
  return out;
}

void check(UErrorCode status, const char* what) {
  if (U_FAILURE(status)) fail("clip_text: ICU cannot {}: {}", what, u_errorName(status));
}

const icu::RegexPattern& word_pattern() {
  static const std::unique_ptr<icu::RegexPattern> pattern = [] {
    UErrorCode status = U_ZERO_ERROR;
    UParseError where;
    std::unique_ptr<icu::RegexPattern> made(icu::RegexPattern::compile(
        uR"(<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+)",
        UREGEX_CASE_INSENSITIVE, where, status));
    check(status, "compile the word pattern");
    return made;
  }();
  return *pattern;
}

const icu::Normalizer2& normalizer(bool compatible) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* found =
      compatible ? icu::Normalizer2::getNFKCInstance(status) : icu::Normalizer2::getNFCInstance(status);
  check(status, "find a normal form");
  return *found;
}

icu::UnicodeString normalised(const icu::Normalizer2& form, const icu::UnicodeString& text) {
  UErrorCode status = U_ZERO_ERROR;
  icu::UnicodeString out = form.normalize(text, status);
  check(status, "normalise the prompt");
  return out;
}

// The character of an entity's name or number ("amp", "#233", "#xE9"); 0 if it is not known.
UChar32 entity(const icu::UnicodeString& name) {
  if (name.charAt(0) != u'#') {
    const auto known = kEntities.find(name);
    return known == kEntities.end() ? 0 : known->second;
  }
  const bool hex = name.charAt(1) == u'x' || name.charAt(1) == u'X';
  int64_t value = 0;
  for (int32_t i = hex ? 2 : 1; i < name.length(); ++i) {
    const int32_t digit = u_digit(name.charAt(i), hex ? 16 : 10);
    if (digit < 0 || value > 0x10FFFF) return 0;
    value = value * (hex ? 16 : 10) + digit;
  }
  return value > 0 && value <= 0x10FFFF && !U_IS_SURROGATE(value) ? static_cast<UChar32>(value) : 0;
}

icu::UnicodeString with_entities_resolved(const icu::UnicodeString& text) {
  constexpr int32_t kLongest = 24;
  icu::UnicodeString out;
  for (int32_t at = 0; at < text.length();) {
    const int32_t end = text[at] == u'&' ? text.indexOf(u';', at, kLongest + 3) : -1;
    const UChar32 c = end > at + 1 ? entity(text.tempSubStringBetween(at + 1, end)) : 0;
    if (c != 0) {
      out.append(c);
      at = end + 1;
    } else {
      out += text[at++];
    }
  }
  return out;
}

void append_mended(UChar32 c, icu::UnicodeString& out) {
  if (c >= 0x80 && c < 0xA0 && kWindows1252[c - 0x80] != 0) c = kWindows1252[c - 0x80];
  const auto ligature = kLigatures.find(c);
  if (ligature != kLigatures.end())
    out += ligature->second;
  else if (c == 0x3000)
    out += u' ';
  else if (c > 0xFF00 && c < 0xFFF0)
    out += normalised(normalizer(true), c);
  else if (c == 0x02BC || (c >= 0x2018 && c <= 0x201B))
    out += u'\'';
  else if (c >= 0x201C && c <= 0x201F)
    out += u'"';
  else if (!is_dropped(c))
    out.append(c);
}

// One round of ftfy.fix_text over a line.
icu::UnicodeString mended(const icu::UnicodeString& line, bool may_be_html) {
  icu::UnicodeString out;
  for_each_character(may_be_html ? with_entities_resolved(line) : line, [&](UChar32 c) { append_mended(c, out); });
  return normalised(normalizer(false), out);
}

}  // namespace

std::string clean_clip_text(std::string_view text) {
  const auto source = icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())});
  icu::UnicodeString clean;
  bool may_be_html = true;  // until a '<' was seen
  for (int32_t begin = 0; begin < source.length();) {
    const int32_t newline = source.indexOf(u'\n', begin), end = newline < 0 ? source.length() : newline + 1;
    icu::UnicodeString line = source.tempSubStringBetween(begin, end), before;
    begin = end;
    may_be_html = may_be_html && line.indexOf(u'<') < 0;
    for (int round = 0; round < kMaxRounds && line != before; ++round) {
      before = line;
      line = mended(before, may_be_html);
    }
    clean += line;
  }
  icu::UnicodeString words = with_single_spaces(clean);
  words.toLower(icu::Locale::getRoot());
  std::string out;
  words.toUTF8String(out);
  return out;
}

std::vector<std::string> split_clip_words(const std::string& text) {
  const icu::UnicodeString source = icu::UnicodeString::fromUTF8(text);
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::RegexMatcher> matcher(word_pattern().matcher(source, status));
  check(status, "match words");
  std::vector<std::string> words;
  while (matcher->find(status)) matcher->group(status).toUTF8String(words.emplace_back());
  check(status, "match words");
  return words;
}

}  // namespace easel
