#include <algorithm>

#include "media/codecs.h"

namespace easel::media {
namespace {

constexpr uint64_t kAscii = 2, kShort = 3, kLong = 4, kEntry = 12;

// TIFF's numbers, in the byte order the data declares; 0 behind the end.
class TiffReader {
 public:
  explicit TiffReader(std::string_view bytes) : bytes_(bytes), little_(bytes.starts_with("II")) {
    constexpr std::string_view kPrefix("Exif\0\0", 6);
    if (bytes_.starts_with(kPrefix)) bytes_.remove_prefix(kPrefix.size());
    little_ = bytes_.starts_with("II");
    if (!little_ && !bytes_.starts_with("MM")) bytes_ = {};
  }

  uint64_t number(uint64_t at, int size) const {
    if (at > bytes_.size() || bytes_.size() - at < static_cast<uint64_t>(size)) return 0;
    uint64_t value = 0;
    for (int i = 0; i < size; ++i) {
      const auto byte = static_cast<unsigned char>(bytes_[at + static_cast<uint64_t>(little_ ? size - 1 - i : i)]);
      value = value << 8 | byte;
    }
    return value;
  }
  std::string_view text(uint64_t at, uint64_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) return {};
    const std::string_view text = bytes_.substr(at, size);
    return text.substr(0, text.find('\0'));
  }

  // Where the entries of the first directory lie.
  std::vector<uint64_t> entries() const {
    const uint64_t directory = number(4, 4);
    std::vector<uint64_t> out(number(directory, 2));
    for (uint64_t i = 0; i < out.size(); ++i) out[i] = directory + 2 + i * kEntry;
    return out;
  }

 private:
  std::string_view bytes_;
  bool little_;
};

void append(std::string& out, uint64_t value, int size) {
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

}  // namespace

int exif_orientation(std::string_view exif) {
  constexpr uint64_t kOrientation = 0x0112;
  const TiffReader tiff(exif);
  for (const uint64_t entry : tiff.entries()) {
    if (tiff.number(entry, 2) != kOrientation) continue;
    const uint64_t type = tiff.number(entry + 2, 2);
    const uint64_t value = type == kShort ? tiff.number(entry + 8, 2) : type == kLong ? tiff.number(entry + 8, 4) : 0;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

ExifTexts exif_texts(std::string_view exif) {
  const TiffReader tiff(exif);
  ExifTexts texts;
  uint64_t room = exif.size();  // entries that point to the same text again and again must not multiply it
  for (const uint64_t entry : tiff.entries()) {
    const uint64_t size = tiff.number(entry + 4, 4);
    if (tiff.number(entry + 2, 2) != kAscii || size > room) continue;
    room -= size;
    const uint64_t at = size <= 4 ? entry + 8 : tiff.number(entry + 8, 4);
    texts.emplace_back(static_cast<uint16_t>(tiff.number(entry, 2)), tiff.text(at, size));
  }
  return texts;
}

std::string make_exif(ExifTexts texts) {
  std::sort(texts.begin(), texts.end());
  std::string out("MM\0*\0\0\0\x08", 8), values;
  append(out, texts.size(), 2);
  const uint64_t behind = out.size() + texts.size() * kEntry + 4;
  for (auto& [tag, text] : texts) {
    text += '\0';
    append(out, tag, 2);
    append(out, kAscii, 2);
    append(out, text.size(), 4);
    if (text.size() <= 4) {
      text.resize(4);
      out += text;
    } else {
      append(out, behind + values.size(), 4);
      values += text;
    }
  }
  append(out, 0, 4);  // no further directory
  return out + values;
}

}  // namespace easel::media
