#include "nodes/resize.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "nodes/lanczos.h"

namespace easel {
namespace {

// Cuts the middle out of x so that it has the ratio width : height.
Tensor cut_center(const Tensor& x, int64_t width, int64_t height) {
  const auto old_width = static_cast<double>(x.size(-1)), old_height = static_cast<double>(x.size(-2));
  const double old_ratio = old_width / old_height;
  const double new_ratio = static_cast<double>(width) / static_cast<double>(height);
  int64_t left = 0, top = 0;
  if (old_ratio > new_ratio)
    left = round_half_even((old_width - old_width * (new_ratio / old_ratio)) / 2);
  else if (old_ratio < new_ratio)
    top = round_half_even((old_height - old_height * (old_ratio / new_ratio)) / 2);
  return x.narrow(-2, top, x.size(-2) - 2 * top).narrow(-1, left, x.size(-1) - 2 * left);
}

Tensor lanczos(const Tensor& x, int64_t width, int64_t height) {
  const Tensor bytes = to_bytes(x.movedim(1, -1));
  Tensor out = at::empty({x.size(0), height, width, x.size(1)}, at::kFloat);
  for (int64_t b = 0; b < x.size(0); b++) {
    const Tensor one = bytes[b];
    const auto* begin = one.const_data_ptr<uint8_t>();
    const Pixels8 image =
        resize_lanczos({x.size(3), x.size(2), x.size(1), {begin, begin + one.numel()}}, width, height);
    out[b].copy_(at::from_blob(const_cast<uint8_t*>(image.data.data()), {height, width, x.size(1)}, at::kByte));
  }
  return out.div_(255).movedim(-1, 1);
}

// Spherical interpolation between rows a and b [N, C] at r [N, 1]: directions along the arc, lengths along the line.
Tensor slerp(const Tensor& a, const Tensor& b, const Tensor& r) {
  const Tensor a_length = a.norm(2, {-1}, true), b_length = b.norm(2, {-1}, true);
  const Tensor a_unit = at::where(a_length == 0, 0.0, a / a_length),
               b_unit = at::where(b_length == 0, 0.0, b / b_length);
  const Tensor dot = (a_unit * b_unit).sum(-1, true);
  const Tensor angle = at::acos(dot);
  const Tensor sine = at::sin(angle);
  const Tensor arc = at::sin((1 - r) * angle) / sine * a_unit + at::sin(r * angle) / sine * b_unit;
  const Tensor mixed = arc * (a_length * (1 - r) + b_length * r);
  const Tensor parallel = dot > 1 - 1e-5, opposite = dot < 1e-5 - 1;
  return at::where(parallel, a, at::where(opposite, a * (1 - r) + b * r, mixed));
}

// Bislerp along the last axis of x [B, C, H, W].
Tensor bislerp_last(const Tensor& x, int64_t length) {
  const int64_t old = x.size(-1);
  auto stretched = [&](const Tensor& positions) {
    return at::upsample_bilinear2d(positions.to(at::kFloat).reshape({1, 1, 1, -1}), {1, length}, false).reshape(-1);
  };
  const Tensor position = stretched(at::arange(old));
  const Tensor next = stretched(at::clamp_max(at::arange(1, old + 1), old - 1));
  const Tensor ratio = (position - position.floor()).repeat({x.size(0) * x.size(2)}).unsqueeze(1);
  auto rows = [&](const Tensor& index) {
    return x.index_select(-1, index.to(at::kLong)).movedim(1, -1).reshape({-1, x.size(1)});
  };
  return slerp(rows(position), rows(next), ratio).reshape({x.size(0), x.size(2), length, x.size(1)}).movedim(-1, 1);
}

Tensor bislerp(const Tensor& x, int64_t width, int64_t height) {
  const Tensor wide = bislerp_last(x.to(at::kFloat), width);
  return bislerp_last(wide.transpose(-1, -2), height).transpose(-1, -2).to(x.scalar_type());
}

Tensor by_method(const Tensor& x, int64_t width, int64_t height, const std::string& method) {
  if (method == "nearest-exact") return at::_upsample_nearest_exact2d(x, {height, width});
  if (method == "bilinear") return at::upsample_bilinear2d(x, {height, width}, false);
  if (method == "bicubic") return at::upsample_bicubic2d(x, {height, width}, false);
  if (method == "area") return at::adaptive_avg_pool2d(x, {height, width});
  if (method == "lanczos") return lanczos(x, width, height);
  if (method == "bislerp") return bislerp(x, width, height);
  fail("resize: there is no method '{}'", method);
}

}  // namespace

int64_t round_half_even(double value) { return static_cast<int64_t>(std::nearbyint(value)); }

Tensor to_bytes(const Tensor& pixels) {
  const Tensor values = pixels.to(at::kCPU, at::kFloat).contiguous();
  Tensor bytes = at::empty(values.sizes(), at::kByte);
  const float* from = values.const_data_ptr<float>();
  auto* to = bytes.mutable_data_ptr<uint8_t>();
  constexpr int64_t kWorthAThread = 1 << 20;
  at::parallel_for(0, values.numel(), kWorthAThread, [&](int64_t begin, int64_t end) {  // one pass, not five
    for (int64_t i = begin; i < end; ++i) {
      const float value = from[i] * 255.0F;
      to[i] = static_cast<uint8_t>(value > 0 ? std::min(value, 255.0F) : 0.0F);  // NaN gives 0
    }
  });
  return bytes;
}

Tensor resize(const Tensor& x, int64_t width, int64_t height, const std::string& method, bool crop_center) {
  if (x.dim() == 5) {  // video: each frame for itself
    const Tensor frames = x.movedim(2, 1).flatten(0, 1);
    const Tensor out = resize(frames, width, height, method, crop_center);
    return out.unflatten(0, {x.size(0), x.size(2)}).movedim(1, 2);
  }
  if (x.dim() != 4) fail("resize: a tensor of {} dimensions came, 4 or 5 were wanted", x.dim());
  if (width < 1 || height < 1) fail("resize: the wanted size is {}x{}, it must be at least 1x1", width, height);
  return by_method(crop_center ? cut_center(x, width, height) : x, width, height, method);
}

Tensor resize_pixels(const Tensor& pixels, int64_t width, int64_t height, const std::string& method, bool crop_center) {
  return resize(pixels.movedim(-1, 1), width, height, method, crop_center).movedim(1, -1);
}

}  // namespace easel
