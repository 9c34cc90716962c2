// Images blended, blurred, sharpened, eroded, and their edges.
#include <limits>
#include <numbers>

#include "nodes/families.h"
#include "nodes/ports.h"
#include "nodes/resize.h"
#include "sampling/noise.h"

namespace easel {
namespace {

constexpr const char* kPostProcessing = "comfy_extras.nodes_post_processing";
constexpr const char* kMorphology = "comfy_extras.nodes_morphology";

// [B, H, W, C] as [B, C, H, W], and back
Tensor planes(const Tensor& pixels) { return pixels.movedim(-1, 1).contiguous(); }
Image image_of(const Tensor& planes) { return {planes.movedim(1, -1).contiguous()}; }

// Pegtop's and the W3C's soft light
Tensor soft_light(const Tensor& a, const Tensor& b) {
  const Tensor g = at::where(a <= 0.25, ((16 * a - 12) * a + 4) * a, a.sqrt());
  return at::where(b <= 0.5, a - (1 - 2 * b) * a * (1 - a), a + (2 * b - 1) * (g - a));
}

Tensor blended(const std::string& mode, const Tensor& a, const Tensor& b) {
  if (mode == "multiply") return a * b;
  if (mode == "screen") return 1 - (1 - a) * (1 - b);
  if (mode == "overlay") return at::where(a <= 0.5, 2 * a * b, 1 - 2 * (1 - a) * (1 - b));
  if (mode == "soft_light") return soft_light(a, b);
  if (mode == "difference") return a - b;
  return b;
}

Image blend(const Image& image1, const Image& image2, double factor, const std::string& mode) {
  const Tensor& first = image1.pixels;
  Tensor second = image2.pixels;
  const int64_t channels = std::min(first.size(-1), second.size(-1));
  const Tensor under = first.narrow(-1, 0, channels);
  second = second.narrow(-1, 0, channels);
  if (second.sizes().slice(1, 2) != under.sizes().slice(1, 2))
    second = resize_pixels(second, under.size(2), under.size(1), "bicubic", true);
  return {(under * (1 - factor) + blended(mode, under, second) * factor).clamp(0, 1)};
}

// A Gaussian over 2 radius + 1 pixels; sigma is in halves of that side.
Tensor gaussian(int64_t radius, double sigma) {
  const Tensor line = at::linspace(-1, 1, 2 * radius + 1).square();
  const Tensor kernel = (-(line.unsqueeze(0) + line.unsqueeze(1)) / (2 * sigma * sigma)).exp();
  return kernel / kernel.sum();
}

// Every channel through one kernel of side 2 radius + 1, the image mirrored at its edges.
Tensor filtered(const char* who, const Tensor& planes, const Tensor& kernel) {
  const int64_t channels = planes.size(1), radius = kernel.size(0) / 2;
  if (radius >= planes.size(2) || radius >= planes.size(3))
    fail("{}: a radius of {} for an image of {} x {}; it must be smaller than both sides", who, radius, planes.size(3),
         planes.size(2));
  const Tensor padded = at::reflection_pad2d(planes, {radius, radius, radius, radius});
  const Tensor each = kernel.expand({channels, 1, -1, -1}).contiguous();
  return at::conv2d(padded, each, {}, at::IntArrayRef{1}, at::IntArrayRef{0}, at::IntArrayRef{1}, channels);
}

Image blur(const Image& image, int64_t radius, double sigma) {
  return image_of(filtered("ImageBlur", planes(image.pixels), gaussian(radius, sigma)));
}

Image sharpen(const Image& image, int64_t radius, double sigma, double alpha) {
  constexpr double kGain = 10;
  Tensor kernel = gaussian(radius, sigma) * (-kGain * alpha);
  kernel[radius][radius] += 1 - kernel.sum();
  return {image_of(filtered("ImageSharpen", planes(image.pixels), kernel)).pixels.clamp(0, 1)};
}

// The largest of the square of pixels from `before` ones up and left of each.
Tensor largest(const Tensor& planes, int64_t size, int64_t before) {
  const int64_t after = size - before - 1;
  const Tensor padded =
      at::constant_pad_nd(planes, {before, after, before, after}, -std::numeric_limits<double>::infinity());
  return at::max_pool2d(padded, {size, size}, {1, 1});
}
// An even square reaches further to the right and down when it dilates, to the left and up when it erodes.
Tensor dilated(const Tensor& planes, int64_t size) { return largest(planes, size, (size - 1) / 2); }
Tensor eroded(const Tensor& planes, int64_t size) { return -largest(-planes, size, size / 2); }

Image morphology(const Image& image, const std::string& operation, int64_t size) {
  const Tensor x = planes(image.pixels);
  if (operation == "erode") return image_of(eroded(x, size));
  if (operation == "dilate") return image_of(dilated(x, size));
  if (operation == "open") return image_of(dilated(eroded(x, size), size));
  if (operation == "close") return image_of(eroded(dilated(x, size), size));
  if (operation == "gradient") return image_of(dilated(x, size) - eroded(x, size));
  if (operation == "top_hat") return image_of(x - dilated(eroded(x, size), size));
  return image_of(eroded(dilated(x, size), size) - x);
}

// ITU-R BT.601: what the colours add to lightness, and how the differences are scaled.
constexpr double kRed = 0.299, kGreen = 0.587, kBlue = 0.114, kRedScale = 0.713, kBlueScale = 0.564;

Tensor lightness(const Tensor& red, const Tensor& green, const Tensor& blue) {
  return kRed * red + kGreen * green + kBlue * blue;
}

std::tuple<Image, Image, Image> rgb_to_yuv(const Image& image) {
  const auto channel = [&](int64_t c) { return image.pixels.narrow(-1, c, 1); };
  const Tensor y = lightness(channel(0), channel(1), channel(2));
  const auto grey = [&](const Tensor& t) { return Image{t.expand_as(image.pixels).contiguous()}; };
  return {grey(y), grey((channel(2) - y) * kBlueScale + 0.5), grey((channel(0) - y) * kRedScale + 0.5)};
}

Image yuv_to_rgb(const Image& luma, const Image& u, const Image& v) {
  const auto mean = [](const Image& image) { return image.pixels.mean(-1, true); };
  const Tensor y = mean(luma), cb = mean(u) - 0.5, cr = mean(v) - 0.5;
  const Tensor red = y + cr / kRedScale, blue = y + cb / kBlueScale;
  return {at::cat({red, (y - kRed * red - kBlue * blue) / kGreen, blue}, -1).clamp(0, 1)};
}

Image add_noise(const Image& image, uint64_t seed, double strength) {
  const Tensor noise = at::randn(image.pixels.sizes(), cpu_generator(seed), at::kFloat);
  return {(image.pixels + strength * noise).clamp(0, 1)};
}

// t moved by one pixel against a direction, zeros coming in
Tensor neighbour(const Tensor& t, int64_t down, int64_t right) {
  const Tensor padded = at::constant_pad_nd(t, {1, 1, 1, 1});
  return padded.narrow(2, 1 + down, t.size(2)).narrow(3, 1 + right, t.size(3));
}

// Keeps a magnitude only where it is larger than both neighbours along its gradient, whose angle is taken in eighths;
// of two that are equal, one.
Tensor thinned(const Tensor& magnitude, const Tensor& gx, const Tensor& gy) {
  constexpr int64_t kDirections[4][2] = {{0, 1}, {1, 1}, {1, 0}, {1, -1}};  // down, right
  const Tensor eighths = (at::atan2(gy, gx) * (180 / std::numbers::pi) / 45).round();
  const Tensor direction = at::remainder(eighths, 4);
  Tensor peak = at::zeros_like(magnitude, at::kBool);
  for (int64_t d = 0; d < 4; d++) {
    const auto [down, right] = kDirections[d];
    const Tensor above =
        magnitude.gt(neighbour(magnitude, down, right)).logical_and(magnitude.ge(neighbour(magnitude, -down, -right)));
    peak = peak.logical_or(above.logical_and(direction.eq(d)));
  }
  return magnitude * peak;
}

// Strong edges, and the weak ones that touch them, by and by.
Tensor linked(const Tensor& weak, Tensor strong) {
  while (true) {
    const Tensor near = at::max_pool2d(strong, {3, 3}, {1, 1}, {1, 1});
    const Tensor more = at::maximum(strong, weak * near);
    if (more.equal(strong)) return strong;
    strong = more;
  }
}

// Canny 1986: blurred grey, Sobel gradients, thinned, and linked between two thresholds.
Image canny(const Image& image, double low, double high) {
  if (image.pixels.size(-1) < 3) fail("Canny: the image has {} channels; wanted colours", image.pixels.size(-1));
  const Tensor rgb = planes(image.pixels);
  const Tensor grey = lightness(rgb.narrow(1, 0, 1), rgb.narrow(1, 1, 1), rgb.narrow(1, 2, 1));
  if (std::min(grey.size(2), grey.size(3)) < 3) fail("Canny: an image of {} x {}", grey.size(3), grey.size(2));
  Tensor line = (-at::arange(-2, 3, at::kFloat).square() / 2).exp();
  line = line / line.sum();
  Tensor soft = at::conv2d(at::reflection_pad2d(grey, {2, 2, 0, 0}), line.reshape({1, 1, 1, 5}));
  soft = at::conv2d(at::reflection_pad2d(soft, {0, 0, 2, 2}), line.reshape({1, 1, 5, 1}));
  soft = at::replication_pad2d(soft, {1, 1, 1, 1});
  const Tensor sobel = at::tensor({-1.0f, 0.0f, 1.0f, -2.0f, 0.0f, 2.0f, -1.0f, 0.0f, 1.0f}).reshape({1, 1, 3, 3});
  const Tensor gx = at::conv2d(soft, sobel), gy = at::conv2d(soft, sobel.transpose(2, 3).contiguous());
  constexpr double kEpsilon = 1e-6;
  const Tensor magnitude = thinned((gx.square() + gy.square() + kEpsilon).sqrt(), gx, gy);
  const Tensor edges = linked(magnitude.gt(low).to(at::kFloat), magnitude.gt(high).to(at::kFloat));
  return image_of(edges.expand({-1, 3, -1, -1}));
}

void add_filters(Registry& registry) {
  constexpr const char* kCategory = "image/postprocessing";
  registry.add({
      .id = "ImageBlend",
      .category = kCategory,
      .about = "Mixes two images by one of the usual blend modes.",
      .inputs = {socket("image1", "IMAGE"), socket("image2", "IMAGE"),
                 real("blend_factor", {.value = 0.5, .min = 0.0, .max = 1.0, .step = 0.01}),
                 choice("blend_mode", {"normal", "multiply", "screen", "overlay", "soft_light", "difference"})},
      .run = blend,
      .v3 = true,
      .module = kPostProcessing,
  });
  registry.add({
      .id = "ImageBlur",
      .category = kCategory,
      .about = "Blurs an image.",
      .inputs = {socket("image", "IMAGE"), integer("blur_radius", {.value = 1, .min = 1, .max = 31, .step = 1}),
                 real("sigma", {.value = 1.0, .min = 0.1, .max = 10.0, .step = 0.1})},
      .run = blur,
      .v3 = true,
      .module = kPostProcessing,
  });
  registry.add({
      .id = "ImageSharpen",
      .category = kCategory,
      .about = "Sharpens an image.",
      .inputs = {socket("image", "IMAGE"), integer("sharpen_radius", {.value = 1, .min = 1, .max = 31, .step = 1}),
                 real("sigma", {.value = 1.0, .min = 0.1, .max = 10.0, .step = 0.01}),
                 real("alpha", {.value = 1.0, .min = 0.0, .max = 5.0, .step = 0.01})},
      .run = sharpen,
      .v3 = true,
      .module = kPostProcessing,
  });
  registry.add({
      .id = "Morphology",
      .title = "ImageMorphology",
      .category = kCategory,
      .about = "Erodes and dilates an image, and what is made of the two.",
      .inputs = {socket("image", "IMAGE"),
                 choice("operation", {"erode", "dilate", "open", "close", "gradient", "bottom_hat", "top_hat"}),
                 integer("kernel_size", {.value = 3, .min = 3, .max = 999, .step = 1})},
      .run = morphology,
      .v3 = true,
      .module = kMorphology,
  });
}

void add_analysis(Registry& registry) {
  registry.add({
      .id = "Canny",
      .category = "image/preprocessors",
      .about = "The edges of an image in white on black.",
      .inputs = {socket("image", "IMAGE"),
                 real("low_threshold", {.value = 0.4, .min = 0.01, .max = 0.99, .step = 0.01}),
                 real("high_threshold", {.value = 0.8, .min = 0.01, .max = 0.99, .step = 0.01})},
      .run = canny,
      .v3 = true,
      .module = "comfy_extras.nodes_canny",
  });
  registry.add({
      .id = "ImageRGBToYUV",
      .category = "image/batch",
      .about = "Lightness and the two colour differences of an image, each as a grey image.",
      .inputs = {socket("image", "IMAGE")},
      .outputs = {{.name = "Y"}, {.name = "U"}, {.name = "V"}},
      .run = rgb_to_yuv,
      .v3 = true,
      .module = kMorphology,
  });
  registry.add({
      .id = "ImageYUVToRGB",
      .category = "image/batch",
      .about = "An image from its lightness and colour differences.",
      .inputs = {socket("Y", "IMAGE"), socket("U", "IMAGE"), socket("V", "IMAGE")},
      .run = yuv_to_rgb,
      .v3 = true,
      .module = kMorphology,
  });
  registry.add({
      .id = "ImageAddNoise",
      .category = "image",
      .about = "Adds Gaussian noise to an image.",
      .inputs = {socket("image", "IMAGE"),
                 integer("seed", {.value = 0,
                                  .min = 0,
                                  .max = UINT64_MAX,
                                  .control_after_generate = true,
                                  .tooltip = "Chooses the noise."}),
                 real("strength", {.value = 0.5, .min = 0.0, .max = 1.0, .step = 0.01})},
      .run = add_noise,
      .module = "comfy_extras.nodes_images",
  });
}

}  // namespace

void add_image_effect_nodes(Registry& registry) {
  add_filters(registry);
  add_analysis(registry);
}

}  // namespace easel
