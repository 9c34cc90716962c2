#include <zlib.h>

#include <algorithm>
#include <queue>

#include "base/error.h"
#include "text/clip_text.h"
#include "text/clip_tokenizer.h"

namespace easel {
namespace {

constexpr size_t kMaxVocabulary = 16 << 20;  // bytes of text
constexpr int32_t kBytes = 256,
                  kMerges = 49152 - 2 * kBytes - 2;  // the ids: bytes, bytes at a word's end, merges, 2 specials
constexpr std::string_view kStartText = "<|startoftext|>", kEndText = "<|endoftext|>";

// The order of the byte tokens: printable latin-1 first, then the bytes GPT-2's table replaces by characters above 255.
std::vector<int> bytes_in_order() {
  const auto printable = [](int b) {
    return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
  };
  std::vector<int> order;
  for (const bool wanted : {true, false}) {
    for (int b = 0; b < kBytes; ++b) {
      if (printable(b) == wanted) order.push_back(b);
    }
  }
  return order;
}

// How GPT-2's table writes a byte: itself where printable, else the character 256 + n for the n-th of the rest.
std::string written(int code_point) {
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  return {static_cast<char>(0xC0 | (code_point >> 6)), static_cast<char>(0x80 | (code_point & 0x3F))};
}

uint64_t pair_key(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

std::string_view next_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

ClipVocabulary::ClipVocabulary(std::string_view merges_text) {
  std::unordered_map<std::string, int32_t> ids;
  int32_t next = 0, replaced = kBytes;
  const std::vector<int> order = bytes_in_order();
  std::vector<std::string> forms;
  for (size_t i = 0; i < order.size(); ++i) forms.push_back(written(i < 188 ? order[i] : replaced++));
  for (size_t i = 0; i < order.size(); ++i) byte_ids_[order[i]] = ids[forms[i]] = next++;
  for (size_t i = 0; i < order.size(); ++i) last_byte_ids_[order[i]] = ids[forms[i] + "</w>"] = next++;

  next_line(merges_text);  // the version
  for (int32_t rank = 0; rank < kMerges; ++rank) {
    const std::string_view line = next_line(merges_text);
    const size_t space = line.find(' ');
    const auto left = ids.find(std::string(line.substr(0, std::min(space, line.size()))));
    const auto right = space == line.npos ? ids.end() : ids.find(std::string(line.substr(space + 1)));
    if (left == ids.end() || right == ids.end()) {
      fail("ClipVocabulary: line {} is no merge of known tokens; wanted bpe_simple_vocab_16e6.txt with {} merges",
           rank + 2, kMerges);
    }
    merges_.emplace(pair_key(left->second, right->second), std::pair(rank, next));
    ids[left->first + right->first] = next++;
  }
}

std::shared_ptr<const ClipVocabulary> ClipVocabulary::load(const std::filesystem::path& path) {
  const gzFile file = gzopen(path.c_str(), "rb");  // reads plain text too
  if (!file) fail("ClipVocabulary::load: cannot open '{}'; `make deps` fetches it", path.string());
  std::string text(kMaxVocabulary, '\0');
  const int size = gzread(file, text.data(), static_cast<unsigned>(text.size()));
  const bool whole = size > 0 && gzeof(file);
  gzclose(file);
  if (!whole) fail("ClipVocabulary::load: '{}' is damaged or larger than a vocabulary", path.string());
  text.resize(static_cast<size_t>(size));
  return std::make_shared<const ClipVocabulary>(text);
}

// Merges the neighbours of lowest rank first, leftmost first among equals; a queue keeps a long word from taking n²
// steps.
void ClipVocabulary::append_word(std::string_view word, std::vector<int64_t>& ids) const {
  struct Piece {
    int32_t id, previous, next;  // neighbours' positions; -1 at the ends; id -1 once merged away
  };
  struct Merge {
    int32_t rank, at, left, right, merged;
    bool operator<(const Merge& other) const { return std::pair(rank, at) > std::pair(other.rank, other.at); }
  };
  const auto count = static_cast<int32_t>(word.size());
  std::vector<Piece> pieces;
  for (int32_t i = 0; i < count; ++i) {
    const auto byte = static_cast<unsigned char>(word[static_cast<size_t>(i)]);
    pieces.push_back({i + 1 == count ? last_byte_ids_[byte] : byte_ids_[byte], i - 1, i + 1 == count ? -1 : i + 1});
  }
  std::priority_queue<Merge> merges;
  const auto consider = [&](int32_t at) {
    if (at < 0 || pieces[at].next < 0) return;
    const int32_t left = pieces[at].id, right = pieces[pieces[at].next].id;
    const auto known = merges_.find(pair_key(left, right));
    if (known != merges_.end()) merges.push({known->second.first, at, left, right, known->second.second});
  };
  for (int32_t i = 0; i < count; ++i) consider(i);
  while (!merges.empty()) {
    const Merge merge = merges.top();
    merges.pop();
    Piece& piece = pieces[merge.at];
    if (piece.id != merge.left || piece.next < 0 || pieces[piece.next].id != merge.right) continue;  // outdated
    pieces[piece.next].id = -1;
    piece.id = merge.merged;
    piece.next = pieces[piece.next].next;
    if (piece.next >= 0) pieces[piece.next].previous = merge.at;
    consider(piece.previous);
    consider(merge.at);
  }
  for (int32_t at = count > 0 ? 0 : -1; at >= 0; at = pieces[at].next) ids.push_back(pieces[at].id);
}

std::vector<int64_t> ClipVocabulary::encode(std::string_view text) const {
  std::vector<int64_t> ids;
  const auto encode_plain = [&](std::string_view part) {
    for (const std::string& word : split_clip_words(clean_clip_text(part))) {
      if (word == kStartText)
        ids.push_back(kStart);
      else if (word == kEndText)
        ids.push_back(kEnd);
      else
        append_word(word, ids);
    }
  };
  while (!text.empty()) {  // special tokens are cut out before the text is cleaned
    const size_t start = text.find(kStartText), end = text.find(kEndText), at = std::min(start, end);
    encode_plain(text.substr(0, at));
    if (at == text.npos) break;
    ids.push_back(start < end ? kStart : kEnd);
    text.remove_prefix(at + (start < end ? kStartText : kEndText).size());
  }
  return ids;
}

}  // namespace easel
