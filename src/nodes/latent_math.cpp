// Latents added, mixed, and passed through functions.
#include "nodes/families.h"
#include "nodes/ports.h"
#include "nodes/resize.h"
#include "tensor/batch.h"

namespace easel {
namespace {

constexpr const char* kModule = "comfy_extras.nodes_latent";

// `other` in the size and number of `like`
Tensor fitted(const Tensor& like, const Tensor& other, const char* method = "bilinear") {
  const Tensor sized = other.sizes().slice(1) == like.sizes().slice(1)
                           ? other
                           : resize(other, like.size(-1), like.size(-2), method, true);
  return to_batch(sized, like.size(0));
}

Latent with_samples(Latent latent, Tensor samples) {
  latent.samples = std::move(samples);
  return latent;
}

Latent blend(const Latent& a, const Latent& b, double share) {
  const Tensor other = fitted(a.samples, b.samples, "bicubic");
  return with_samples(a, a.samples * share + other * (1 - share));
}

// Directions and lengths of the cells are mixed apart, so that the mixture does not fade. ComfyUI does so too, but for
// a batch of one only.
Latent interpolate(const Latent& a, const Latent& b, double ratio) {
  const Tensor first = a.samples, second = fitted(first, b.samples);
  const auto length = [](const Tensor& t) { return at::linalg_vector_norm(t, 2, {1}, true); };
  const auto direction = [&](const Tensor& t) { return (t / length(t)).nan_to_num(0.0); };
  const Tensor mixed = direction(first) * ratio + direction(second) * (1 - ratio);
  return with_samples(a, direction(mixed) * (length(first) * ratio + length(second) * (1 - ratio)));
}

// The axis of "x", "y" or "t", from the end
int64_t axis_of(const char* who, char name, const Tensor& samples) {
  const int64_t axis = name == 'x' ? -1 : name == 'y' ? -2 : -3;
  if (name == 't' && samples.dim() < 5) fail("{}: the latent is of a picture and has no frames", who);
  return axis;
}

Latent concat(const Latent& a, const Latent& b, const std::string& dim) {
  const bool second_first = dim.front() == '-';
  const Tensor other = to_batch(b.samples, a.samples.size(0));
  const int64_t axis = axis_of("LatentConcat", dim.back(), a.samples);
  return with_samples(a, second_first ? at::cat({other, a.samples}, axis) : at::cat({a.samples, other}, axis));
}

// A negative index counts from the end.
Latent cut(const Latent& latent, const std::string& dim, int64_t index, int64_t amount) {
  const int64_t axis = axis_of("LatentCut", dim.back(), latent.samples), size = latent.samples.size(axis);
  index = index >= 0 ? std::min(index, size - 1) : std::max(index, -size);
  amount = std::min(amount, index >= 0 ? size - index : -index);
  return with_samples(latent, latent.samples.narrow(axis, index >= 0 ? index : size + index, amount));
}

Latent apply(const Latent& latent, const LatentOperation& operation) {
  return with_samples(latent, operation.run(latent.samples));
}

// Reinhard's tone mapping of the cells' lengths, the white point at five deviations above the mean.
LatentOperation tonemap(double multiplier) {
  return {[multiplier](const Tensor& latent) {
    Tensor length = at::linalg_vector_norm(latent, 2, {1}, true);
    const Tensor direction = latent / (length + 1e-10);
    const Tensor flat = length.flatten(1);
    std::vector<int64_t> shape(length.dim(), 1);
    shape[0] = length.size(0);
    const Tensor top = ((flat.std(1, /*unbiased=*/true) * 5 + flat.mean(1)) * multiplier).reshape(shape);
    length = length / top;
    return direction * (length / (length + 1) * top);
  }};
}

// Sharpens the directions of the cells by a kernel: the identity, less a Gaussian.
LatentOperation sharpen(int64_t radius, double sigma, double alpha) {
  constexpr double kGain = 10;
  const Tensor line = at::linspace(-1, 1, 2 * radius + 1).square();
  Tensor kernel = (-(line.unsqueeze(0) + line.unsqueeze(1)) / (2 * sigma * sigma)).exp();
  kernel = kernel / kernel.sum() * (-kGain * alpha);
  kernel[radius][radius] += 1 - kernel.sum();
  return {[radius, kernel](const Tensor& latent) {
    const int64_t channels = latent.size(1);
    const Tensor length = at::linalg_vector_norm(latent, 2, {1}, true);
    const Tensor padded = at::reflection_pad2d(latent / length, {radius, radius, radius, radius});
    const Tensor each = kernel.expand({channels, 1, -1, -1}).contiguous();
    return at::conv2d(padded, each, {}, at::IntArrayRef{1}, at::IntArrayRef{0}, at::IntArrayRef{1}, channels) * length;
  }};
}

void add_arithmetic(Registry& registry) {
  using Two = Tensor (*)(const Tensor&, const Tensor&);
  struct Row {
    const char *id, *about;
    Two run;
  };
  for (const Row& row :
       {Row{"LatentAdd", "The sum of two latents.", [](const Tensor& a, const Tensor& b) -> Tensor { return a + b; }},
        {"LatentSubtract", "The first latent less the second.",
         [](const Tensor& a, const Tensor& b) -> Tensor { return a - b; }}})
    registry.add({
        .id = row.id,
        .category = "latent/advanced",
        .about = row.about,
        .inputs = {socket("samples1", "LATENT"), socket("samples2", "LATENT")},
        .run = [run = row.run](
                   const Latent& a,
                   const Latent& b) { return with_samples(a, run(a.samples, fitted(a.samples, b.samples))); },
        .v3 = true,
        .module = kModule,
    });
  registry.add({
      .id = "LatentMultiply",
      .category = "latent/advanced",
      .about = "A latent times a number.",
      .inputs = {socket("samples", "LATENT"),
                 real("multiplier", {.value = 1.0, .min = -10.0, .max = 10.0, .step = 0.01})},
      .run = [](const Latent& latent, double factor) { return with_samples(latent, latent.samples * factor); },
      .v3 = true,
      .module = kModule,
  });
  registry.add({
      .id = "LatentInterpolate",
      .category = "latent/advanced",
      .about = "Something between two latents.",
      .inputs = {socket("samples1", "LATENT"), socket("samples2", "LATENT"),
                 real("ratio", {.value = 1.0, .min = 0.0, .max = 1.0, .step = 0.01})},
      .run = interpolate,
      .v3 = true,
      .module = kModule,
  });
  registry.add({
      .id = "LatentBlend",
      .title = "Latent Blend",
      .category = "_for_testing",
      .about = "A weighted mean of two latents.",
      .inputs = {socket("samples1", "LATENT"), socket("samples2", "LATENT"),
                 real("blend_factor", {.value = 0.5, .min = 0, .max = 1, .step = 0.01})},
      .run = blend,
  });
}

void add_joining(Registry& registry) {
  registry.add({
      .id = "LatentConcat",
      .category = "latent/advanced",
      .about = "Two latents side by side, one above the other, or one after the other; \"-\": the second first.",
      .inputs = {socket("samples1", "LATENT"), socket("samples2", "LATENT"),
                 choice("dim", {"x", "-x", "y", "-y", "t", "-t"})},
      .run = concat,
      .v3 = true,
      .module = kModule,
  });
  registry.add({
      .id = "LatentCut",
      .category = "latent/advanced",
      .about = "A strip out of a latent.",
      .inputs = {socket("samples", "LATENT"), choice("dim", {"x", "y", "t"}),
                 integer("index", {.value = 0, .min = -kMaxResolution, .max = kMaxResolution, .step = 1}),
                 integer("amount", {.value = 1, .min = 1, .max = kMaxResolution, .step = 1})},
      .run = cut,
      .v3 = true,
      .module = kModule,
  });
}

void add_operations(Registry& registry) {
  constexpr const char* kCategory = "latent/advanced/operations";
  registry.add({
      .id = "LatentApplyOperation",
      .category = kCategory,
      .about = "Passes a latent through an operation.",
      .inputs = {socket("samples", "LATENT"), socket("operation", "LATENT_OPERATION")},
      .run = apply,
      .v3 = true,
      .experimental = true,
      .module = kModule,
  });
  registry.add({
      .id = "LatentOperationTonemapReinhard",
      .category = kCategory,
      .about = "Compresses what is far above the usual, as a tone map does with bright light.",
      .inputs = {real("multiplier", {.value = 1.0, .min = 0.0, .max = 100.0, .step = 0.01})},
      .run = tonemap,
      .v3 = true,
      .experimental = true,
      .module = kModule,
  });
  registry.add({
      .id = "LatentOperationSharpen",
      .category = kCategory,
      .about = "Sharpens a latent.",
      .inputs = {integer("sharpen_radius", {.value = 9, .min = 1, .max = 31, .step = 1}),
                 real("sigma", {.value = 1.0, .min = 0.1, .max = 10.0, .step = 0.1}),
                 real("alpha", {.value = 0.1, .min = 0.0, .max = 5.0, .step = 0.01})},
      .run = sharpen,
      .v3 = true,
      .experimental = true,
      .module = kModule,
  });
}

}  // namespace

void add_latent_math_nodes(Registry& registry) {
  add_arithmetic(registry);
  add_joining(registry);
  add_operations(registry);
}

}  // namespace easel
