// Lanczos resampling of 8-bit pixels, bit for bit as Pillow's Image.resize(…, LANCZOS) does it: two passes, horizontal
// first, each rounded to 8 bits, with coefficients in fixed point of 22 bits.
#pragma once
#include <cstdint>
#include <vector>

namespace easel {

struct Pixels8 {
  int64_t width = 0, height = 0, channels = 0;  // channels interleaved; 4 means RGBA, resampled premultiplied
  std::vector<uint8_t> data;                    // height * width * channels
};

Pixels8 resize_lanczos(const Pixels8& source, int64_t width, int64_t height);

}  // namespace easel
