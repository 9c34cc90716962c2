#include "sampling/sigma_edits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace easel {

SplitOfSigmas split_sigmas(const Sigmas& sigmas, int64_t step) {
  const auto size = static_cast<int64_t>(sigmas.size());
  return {{sigmas.begin(), sigmas.begin() + std::min(step + 1, size)},
          {sigmas.begin() + std::min(step, size), sigmas.end()}};
}

SplitOfSigmas split_sigmas_by_denoise(const Sigmas& sigmas, double denoise) {
  const auto steps = std::max<int64_t>(static_cast<int64_t>(sigmas.size()) - 1, 0);
  const auto low = std::lround(std::nearbyint(static_cast<double>(steps) * denoise));
  SplitOfSigmas split = split_sigmas(sigmas, steps - low);
  if (low == 0) {
    split.high.clear();  // ComfyUI's slice of the last 0 entries
  }
  return split;
}

Sigmas flip_sigmas(const Sigmas& sigmas) {
  constexpr float kAlmostZero = 0.0001f;
  Sigmas out(sigmas.rbegin(), sigmas.rend());
  if (!out.empty() && out.front() == 0) {
    out.front() = kAlmostZero;
  }
  return out;
}

Sigmas extend_sigmas(const Sigmas& sigmas, int64_t steps, double start, double end, std::string_view spacing) {
  if (sigmas.empty()) {
    return {};
  }
  const double highest = start < 0 ? std::numeric_limits<double>::infinity() : start;
  const auto spaced = [&](double x) {
    const double angle = x * std::numbers::pi / 2;
    return spacing == "sine" ? 1 - std::cos(angle) : spacing == "cosine" ? std::sin(angle) : x;
  };
  Sigmas out;
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double from = sigmas[i], to = sigmas[i + 1];
    out.push_back(sigmas[i]);
    if (from < end || from > highest) {
      continue;
    }
    for (int64_t k = 1; k < steps; ++k) {
      out.push_back(
          static_cast<float>(from + (to - from) * spaced(static_cast<double>(k) / static_cast<double>(steps))));
    }
  }
  out.push_back(sigmas.back());
  return out;
}

}  // namespace easel
