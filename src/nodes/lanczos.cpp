#include "nodes/lanczos.h"

#include <algorithm>
#include <cmath>

namespace easel {
namespace {

constexpr int kPrecisionBits = 32 - 8 - 2;
constexpr double kSupport = 3.0;

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= M_PI;
  return std::sin(x) / x;
}

double lanczos3(double x) { return -kSupport <= x && x < kSupport ? sinc(x) * sinc(x / kSupport) : 0.0; }

// The source span that one output position reads, and its weights.
struct Span {
  int64_t first;
  std::vector<int32_t> weights;
};

std::vector<Span> spans(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double filter_scale = std::max(scale, 1.0);
  const double support = kSupport * filter_scale;
  std::vector<Span> made(to);
  for (int64_t i = 0; i < to; i++) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const auto last = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), from);
    std::vector<double> weights;
    double sum = 0;
    for (int64_t x = first; x < last; x++) {
      weights.push_back(lanczos3((static_cast<double>(x) - center + 0.5) * (1.0 / filter_scale)));
      sum += weights.back();
    }
    made[i].first = first;
    for (double weight : weights) {
      if (sum != 0.0) weight /= sum;
      made[i].weights.push_back(static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits)));
    }
  }
  return made;
}

// One pass along an axis: positions of the axis are `step` bytes apart.
void resample(const uint8_t* in, int64_t step, uint8_t* out, int64_t out_step, const std::vector<Span>& spans) {
  for (size_t i = 0; i < spans.size(); i++) {
    int64_t sum = int64_t{1} << (kPrecisionBits - 1);
    const uint8_t* at = in + spans[i].first * step;
    for (int32_t weight : spans[i].weights) {
      sum += int64_t{*at} * weight;
      at += step;
    }
    out[static_cast<int64_t>(i) * out_step] = static_cast<uint8_t>(std::clamp<int64_t>(sum >> kPrecisionBits, 0, 255));
  }
}

void premultiply(Pixels8& image) {
  for (size_t i = 0; i < image.data.size(); i += 4) {
    for (size_t c = 0; c < 3; c++) {
      const unsigned product = image.data[i + c] * image.data[i + 3] + 128u;
      image.data[i + c] = static_cast<uint8_t>(((product >> 8) + product) >> 8);
    }
  }
}

void unpremultiply(Pixels8& image) {
  for (size_t i = 0; i < image.data.size(); i += 4) {
    const unsigned alpha = image.data[i + 3];
    if (alpha == 0 || alpha == 255) continue;
    for (size_t c = 0; c < 3; c++)
      image.data[i + c] = static_cast<uint8_t>(std::min(255u * image.data[i + c] / alpha, 255u));
  }
}

}  // namespace

Pixels8 resize_lanczos(const Pixels8& source, int64_t width, int64_t height) {
  if (source.width == width && source.height == height) return source;
  const int64_t channels = source.channels;
  Pixels8 image = source;
  if (channels == 4) premultiply(image);
  if (image.width != width) {
    Pixels8 wide{width, image.height, channels, std::vector<uint8_t>(width * image.height * channels)};
    const auto plan = spans(image.width, width);
    for (int64_t y = 0; y < image.height; y++)
      for (int64_t c = 0; c < channels; c++)
        resample(&image.data[y * image.width * channels + c], channels, &wide.data[y * width * channels + c], channels,
                 plan);
    image = std::move(wide);
  }
  if (image.height != height) {
    Pixels8 tall{width, height, channels, std::vector<uint8_t>(width * height * channels)};
    const auto plan = spans(image.height, height);
    const int64_t row = width * channels;
    for (int64_t x = 0; x < row; x++) resample(&image.data[x], row, &tall.data[x], row, plan);
    image = std::move(tall);
  }
  if (channels == 4) unpremultiply(image);
  return image;
}

}  // namespace easel
