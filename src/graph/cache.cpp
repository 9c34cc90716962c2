#include "graph/cache.h"

namespace easel {

void OutputCache::begin(const std::vector<std::optional<Signature>>& signatures) {
  std::map<Signature, SharedResult> kept;
  for (const auto& signature : signatures) {
    if (!signature) continue;
    if (auto node = results_.extract(*signature)) kept.insert(std::move(node));
  }
  results_ = std::move(kept);
}

SharedResult OutputCache::find(const std::optional<Signature>& signature) const {
  if (!signature) return nullptr;
  auto found = results_.find(*signature);
  return found == results_.end() ? nullptr : found->second;
}

void OutputCache::store(const std::optional<Signature>& signature, SharedResult result) {
  if (signature) results_[*signature] = std::move(result);
}

}  // namespace easel
