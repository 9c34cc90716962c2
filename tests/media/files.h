// Films and sound in memory, for their tests.
#pragma once
#include <cmath>
#include <cstring>
#include <string>

#include "media/picture.h"
#include "media/stream.h"

namespace easel::media {

// What a writer wrote.
struct MemoryFile {
  std::string bytes;

  SeekableSink sink() {
    return [this](uint64_t at, std::span<const std::byte> part) {
      if (at + part.size() > bytes.size()) bytes.resize(at + part.size());
      std::memcpy(bytes.data() + at, part.data(), part.size());
    };
  }
  SeekableSource source() const { return memory_source(bytes, "memory"); }
};

// Frame `number` of a test film: soft gradients, which survive compression, moving with the number.
inline Picture moving(int width, int height, int number, int channels = 3) {
  Picture picture{.width = width, .height = height, .channels = channels};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double u = static_cast<double>(x) / width, v = static_cast<double>(y) / height;
      const double values[] = {60 + 120 * u, 60 + 120 * v, 128 + 60 * std::sin(number * 0.7), 255 - 200 * u};
      for (int c = 0; c < channels; ++c) picture.pixels.push_back(static_cast<uint8_t>(values[c]));
    }
  }
  return picture;
}

inline double mean_difference(const Picture& a, const Picture& b) {
  if (a.width != b.width || a.height != b.height || a.channels != b.channels) return 255;
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(int{a.pixels[i]} - int{b.pixels[i]});
  return sum / static_cast<double>(a.pixels.size());
}

inline const TextChunks kProvenance = {
    {"prompt", R"({"1": {"class_type": "\u72d0", "inputs": {"text": "a \"fox\""}}})"},
    {"workflow", R"({"nodes": []})"}};

inline std::string tag_of(const TextChunks& texts, const std::string& name) {
  for (const auto& [key, text] : texts) {
    if (key == name) return text;
  }
  return "(none)";
}

}  // namespace easel::media
