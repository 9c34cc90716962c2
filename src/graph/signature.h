// What a node's outputs depend on, as one number: its class, its constants, its fingerprint, and the signatures of the
// nodes it is linked to. Ids and titles play no part, so renumbering a workflow keeps its cache.
#pragma once
#include <array>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/plan.h"

namespace easel {

using Signature = std::array<unsigned char, 32>;  // SHA-256

// Signs the nodes of a plan that may grow; what was signed stays as it is. Linear, no recursion.
class Signer {
 public:
  using IdOf = std::function<const std::string&(size_t)>;
  // `fingerprints`: one per node, null where there is none. All must outlive the signer.
  Signer(const std::vector<PlannedNode>& plan, const std::vector<Json>& fingerprints, IdOf id_of)
      : plan_(plan), fingerprints_(fingerprints), id_of_(std::move(id_of)) {}

  // One per node of the plan as it is now; none for a node that must always run: its fingerprint (or one above it) is
  // NaN, it was given a value that is no constant, or it has a broken link or hangs on a cycle. Constants count by
  // value as in Python: 1 == 1.0 == true.
  const std::vector<std::optional<Signature>>& sign_all();

 private:
  void visit(size_t start);
  std::optional<Signature> sign_one(size_t node);
  bool put_input(const std::string& name, const PlannedInput& input);

  const std::vector<PlannedNode>& plan_;
  const std::vector<Json>& fingerprints_;
  const IdOf id_of_;
  std::vector<std::optional<Signature>> signatures_;
  std::vector<char> visited_;
  std::vector<std::pair<size_t, size_t>> stack_;  // open nodes and the next input of each
  std::string bytes_;
};

}  // namespace easel
