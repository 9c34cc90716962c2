#include "media/codecs.h"

namespace easel::media {
namespace {

// TIFF's numbers, in the byte order the data declares; 0 behind the end.
class TiffReader {
 public:
  explicit TiffReader(std::string_view bytes) : bytes_(bytes), little_(bytes.starts_with("II")) {}

  uint64_t number(uint64_t at, int size) const {
    if (at > bytes_.size() || bytes_.size() - at < static_cast<uint64_t>(size)) return 0;
    uint64_t value = 0;
    for (int i = 0; i < size; ++i) {
      const auto byte = static_cast<unsigned char>(bytes_[at + static_cast<uint64_t>(little_ ? size - 1 - i : i)]);
      value = value << 8 | byte;
    }
    return value;
  }

 private:
  std::string_view bytes_;
  bool little_;
};

// Copies `from` (width × height × channels) so that the pixel at (x, y) of the result is the one the orientation names.
template <class T>
std::vector<T> turned(const std::vector<T>& from, int width, int height, int channels, int orientation) {
  const int64_t out_width = orientation > 4 ? height : width, out_height = orientation > 4 ? width : height;
  std::vector<T> out(from.size());
  size_t at = 0;
  for (int64_t y = 0; y < out_height; ++y) {
    for (int64_t x = 0; x < out_width; ++x) {
      const int64_t along = orientation > 4 ? y : x, across = orientation > 4 ? x : y;
      const bool mirror_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
      const bool mirror_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
      const int64_t from_x = mirror_x ? width - 1 - along : along, from_y = mirror_y ? height - 1 - across : across;
      const size_t source = static_cast<size_t>((from_y * width + from_x) * channels);
      for (int c = 0; c < channels; ++c) out[at++] = from[source + static_cast<size_t>(c)];
    }
  }
  return out;
}

}  // namespace

int exif_orientation(std::string_view exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  constexpr uint64_t kOrientation = 0x0112, kShort = 3, kLong = 4, kEntry = 12;
  if (exif.starts_with(kPrefix)) exif.remove_prefix(kPrefix.size());
  if (!exif.starts_with("II") && !exif.starts_with("MM")) return 1;
  const TiffReader tiff(exif);
  const uint64_t directory = tiff.number(4, 4), entries = tiff.number(directory, 2);
  for (uint64_t i = 0; i < entries; ++i) {
    const uint64_t entry = directory + 2 + i * kEntry;
    if (tiff.number(entry, 2) != kOrientation) continue;
    const uint64_t type = tiff.number(entry + 2, 2);
    const uint64_t value = type == kShort ? tiff.number(entry + 8, 2) : type == kLong ? tiff.number(entry + 8, 4) : 0;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Picture upright(Picture picture, int orientation) {
  if (orientation <= 1 || orientation > 8) return picture;
  picture.pixels = turned(picture.pixels, picture.width, picture.height, picture.channels, orientation);
  if (!picture.wide.empty()) picture.wide = turned(picture.wide, picture.width, picture.height, 1, orientation);
  if (orientation > 4) std::swap(picture.width, picture.height);
  return picture;
}

}  // namespace easel::media
