#include "tensor/rounding.h"

#include <algorithm>
#include <boost/crc.hpp>
#include <cmath>

#include "base/error.h"

namespace easel {

namespace {

struct Float8 {
  double exponent_bits, mantissa_bits, bias, largest;
};

Tensor rounded(const Tensor& x, const Float8& f, at::Generator generator) {
  const auto size = x.abs();
  const auto exponent = (at::floor(at::log2(size)) + f.bias).clamp(0, std::exp2(f.exponent_bits) - 1);
  const auto normal = exponent.ne(0);
  const auto power = at::pow(2.0, exponent - f.bias);
  const double steps = std::exp2(f.mantissa_bits);
  auto mantissa = at::where(normal, (size / power - 1.0) * steps, size / std::exp2(1 - f.bias - f.mantissa_bits));
  mantissa = at::floor(mantissa + at::rand(x.sizes(), generator, x.options())) / steps;
  const auto value = at::where(normal, power * (1.0 + mantissa), std::exp2(1 - f.bias) * mantissa);
  return (at::sign(x) * value).clamp(-f.largest, f.largest);
}

}  // namespace

Tensor round_by_chance(const Tensor& x, at::ScalarType dtype, uint32_t seed) {
  Float8 format;
  if (dtype == at::kFloat8_e4m3fn) {
    format = {.exponent_bits = 4, .mantissa_bits = 3, .bias = 7, .largest = 448};
  } else if (dtype == at::kFloat8_e5m2) {
    format = {.exponent_bits = 5, .mantissa_bits = 2, .bias = 15, .largest = 57344};
  } else {
    fail("round_by_chance: {} is no 8-bit float that patches are rounded to", c10::toString(dtype));
  }
  auto generator = at::detail::createCPUGenerator(seed);
  const auto half = x.to(at::kHalf);
  auto out = at::empty(x.sizes(), x.options().dtype(dtype));
  // In slices of about 16 million: they bound the memory, and where they lie decides which chance falls on what.
  constexpr double kSlice = 4096.0 * 4096.0;
  const double slices = std::max(1.0, static_cast<double>(x.numel()) / kSlice);
  const auto rows = std::max<int64_t>(1, std::llrint(static_cast<double>(x.size(0)) / slices));
  for (int64_t at = 0; at < x.size(0); at += rows) {
    const int64_t count = std::min(rows, x.size(0) - at);
    out.narrow(0, at, count).copy_(rounded(half.narrow(0, at, count), format, generator));
  }
  return out;
}

uint32_t seed_of(const std::string& name) {
  boost::crc_32_type crc;
  crc.process_bytes(name.data(), name.size());
  return crc.checksum();
}

}  // namespace easel
