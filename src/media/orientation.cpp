#include "media/codecs.h"

namespace easel::media {
namespace {

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

Picture upright(Picture picture, int orientation) {
  if (orientation <= 1 || orientation > 8) return picture;
  picture.pixels = turned(picture.pixels, picture.width, picture.height, picture.channels, orientation);
  if (!picture.wide.empty()) picture.wide = turned(picture.wide, picture.width, picture.height, 1, orientation);
  if (orientation > 4) std::swap(picture.width, picture.height);
  return picture;
}

}  // namespace easel::media
