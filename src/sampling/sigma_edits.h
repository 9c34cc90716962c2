// Cutting and changing lists of sigmas.
#pragma once
#include "sampling/schedulers.h"

namespace easel {

struct SplitOfSigmas {
  Sigmas high, low;  // both hold the sigma at the cut
};
// After `step` steps. Past the end everything is high.
SplitOfSigmas split_sigmas(const Sigmas& sigmas, int64_t step);
// So that `denoise` of the steps are low.
SplitOfSigmas split_sigmas_by_denoise(const Sigmas& sigmas, double denoise);
// Rising instead of falling; a zero at the start becomes a tiny number, as samplers divide by it.
Sigmas flip_sigmas(const Sigmas& sigmas);
// Every step from a sigma between `end` and `start` becomes `steps` steps. spacing: "linear", "cosine" or "sine".
// start < 0: no bound.
Sigmas extend_sigmas(const Sigmas& sigmas, int64_t steps, double start, double end, std::string_view spacing);

}  // namespace easel
