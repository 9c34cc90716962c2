// What a node's outputs depend on, as one number: its class, its constants, its fingerprint, and the signatures of the
// nodes it is linked to. Ids and titles play no part, so renumbering a workflow keeps its cache.
#pragma once
#include <array>
#include <optional>
#include <vector>

#include "graph/plan.h"

namespace easel {

using Signature = std::array<unsigned char, 32>;  // SHA-256

// One per node; none for a node that must always run: its fingerprint (or one above it) is NaN, or it has a broken link
// or hangs on a cycle. `fingerprints`: one per node, null where there is none. Constants count by value as in Python:
// 1 == 1.0 == true. Linear, no recursion.
std::vector<std::optional<Signature>> sign(const Prompt& prompt, const std::vector<PlannedNode>& plan,
                                           const std::vector<Json>& fingerprints);

}  // namespace easel
