#include "formats/dequantise.h"

#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace easel {
namespace {

using Byte = uint8_t;

float half_at(const Byte* at) {
  uint16_t bits;
  std::memcpy(&bits, at, 2);
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const float size = exponent == 31 ? (mantissa ? NAN : INFINITY)
                     : exponent     ? std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25)
                                    : std::ldexp(static_cast<float>(mantissa), -24);
  return bits >> 15 ? -size : size;
}

int low(Byte byte) { return byte & 15; }
int high(Byte byte) { return byte >> 4; }

// 32 numbers a block: half a byte each, the low halves first; perhaps a fifth bit beside; scale and perhaps offset.
void q4_0(const Byte* block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(low(block[2 + i]) - 8);
    out[i + 16] = d * static_cast<float>(high(block[2 + i]) - 8);
  }
}

void q4_1(const Byte* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(low(block[4 + i])) + m;
    out[i + 16] = d * static_cast<float>(high(block[4 + i])) + m;
  }
}

void fifth_bits(const Byte* bits, const Byte* halves, float d, int less, float m, float* out) {
  uint32_t fifth;
  std::memcpy(&fifth, bits, 4);
  for (int i = 0; i < 16; ++i) {
    const int a = low(halves[i]) | static_cast<int>(fifth >> i & 1) << 4;
    const int b = high(halves[i]) | static_cast<int>(fifth >> (i + 16) & 1) << 4;
    out[i] = d * static_cast<float>(a - less) + m;
    out[i + 16] = d * static_cast<float>(b - less) + m;
  }
}
void q5_0(const Byte* block, float* out) { fifth_bits(block + 2, block + 6, half_at(block), 16, 0, out); }
void q5_1(const Byte* block, float* out) {
  fifth_bits(block + 4, block + 8, half_at(block), 0, half_at(block + 2), out);
}

void q8_0(const Byte* block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}

// 256 numbers a block: 16 or 8 groups with scales of their own, which are packed too.
void q2_k(const Byte* block, float* out) {
  const Byte *scales = block, *bits = block + 16;
  const float d = half_at(block + 80), m = half_at(block + 82);
  for (int i = 0; i < 256; ++i) {
    const Byte scale = scales[i / 16];
    const int value = bits[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    out[i] = d * static_cast<float>(low(scale)) * static_cast<float>(value) - m * static_cast<float>(high(scale));
  }
}

void q3_k(const Byte* block, float* out) {
  const Byte *thirds = block, *bits = block + 32, *scales = block + 96;
  const float d = half_at(block + 108);
  for (int i = 0; i < 256; ++i) {
    const int group = i / 16;
    const int below = group < 8 ? low(scales[group]) : high(scales[group - 8]);
    const int scale = (below | (scales[8 + group % 4] >> (group / 4 * 2) & 3) << 4) - 32;
    const int third = thirds[i % 32] >> (i / 32) & 1;
    const int value = (bits[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3) - (third ? 0 : 4);
    out[i] = d * static_cast<float>(scale) * static_cast<float>(value);
  }
}

// Scale and offset number `group` of 8: 6 bits each, in 12 bytes.
std::pair<float, float> six_bits(const Byte* packed, int group) {
  if (group < 4) return {static_cast<float>(packed[group] & 63), static_cast<float>(packed[group + 4] & 63)};
  return {static_cast<float>(low(packed[group + 4]) | packed[group - 4] >> 6 << 4),
          static_cast<float>(high(packed[group + 4]) | packed[group] >> 6 << 4)};
}

void q4_k(const Byte* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  for (int group = 0; group < 8; ++group) {
    const auto [scale, offset] = six_bits(block + 4, group);
    const Byte* halves = block + 16 + group / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const int value = group % 2 ? high(halves[i]) : low(halves[i]);
      *out++ = d * scale * static_cast<float>(value) - m * offset;
    }
  }
}

void q5_k(const Byte* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  const Byte* fifths = block + 16;
  for (int group = 0; group < 8; ++group) {
    const auto [scale, offset] = six_bits(block + 4, group);
    const Byte* halves = block + 48 + group / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const int value = (group % 2 ? high(halves[i]) : low(halves[i])) | (fifths[i] >> group & 1) << 4;
      *out++ = d * scale * static_cast<float>(value) - m * offset;
    }
  }
}

void q6_k(const Byte* block, float* out) {
  const Byte *halves = block, *tops = block + 128, *scales = block + 192;
  const float d = half_at(block + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i % 128 / 32, at = i % 32;
    const Byte byte = halves[half * 64 + quarter % 2 * 32 + at];
    const int value = (quarter < 2 ? low(byte) : high(byte)) | (tops[half * 32 + at] >> (quarter * 2) & 3) << 4;
    out[i] = d * static_cast<float>(static_cast<int8_t>(scales[i / 16])) * static_cast<float>(value - 32);
  }
}

// Half a byte names one of 16 values, denser around zero.
constexpr std::array<float, 16> kUneven = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

void uneven(const Byte* halves, float d, float* out) {
  for (size_t i = 0; i < 16; ++i) {
    out[i] = d * kUneven[static_cast<size_t>(low(halves[i]))];
    out[i + 16] = d * kUneven[static_cast<size_t>(high(halves[i]))];
  }
}

void iq4_nl(const Byte* block, float* out) { uneven(block + 2, half_at(block), out); }

void iq4_xs(const Byte* block, float* out) {
  uint16_t tops;
  std::memcpy(&tops, block + 2, 2);
  for (int group = 0; group < 8; ++group) {
    const Byte byte = block[4 + group / 2];
    const int scale = (group % 2 ? high(byte) : low(byte)) | (tops >> (group * 2) & 3) << 4;
    uneven(block + 8 + group * 16, half_at(block) * static_cast<float>(scale - 32), out + group * 32);
  }
}

using Unpack = void (*)(const Byte*, float*);
Unpack unpack_of(Quant quant) {
  // In the order of Quant.
  static constexpr std::array<Unpack, 12> kUnpack = {q4_0, q4_1, q5_0, q5_1, q8_0,   q2_k,
                                                     q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs};
  return kUnpack[static_cast<size_t>(quant)];
}

}  // namespace

void dequantise(const QuantSpan& span, std::span<float> out) {
  const QuantBlock block = quant_block(span.quant);
  const auto blocks = out.size() / static_cast<size_t>(block.elements);
  if (static_cast<int64_t>(out.size()) != span.elements() ||
      blocks * static_cast<size_t>(block.bytes) != span.bytes.size()) {
    fail("dequantise: {} bytes of {} for {} numbers and {} places", span.bytes.size(), block.name, span.elements(),
         out.size());
  }
  const Unpack unpack = unpack_of(span.quant);
  const auto* from = reinterpret_cast<const Byte*>(span.bytes.data());
  float* to = out.data();
  for (size_t i = 0; i < blocks; ++i, from += block.bytes, to += block.elements) unpack(from, to);
}

}  // namespace easel
