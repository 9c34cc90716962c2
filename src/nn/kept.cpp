#include "nn/kept.h"

#include <algorithm>
#include <mutex>

namespace easel::nn {

namespace {

constexpr size_t kMost = 8;  // conditionings that alternate within one step

}  // namespace

struct Kept::State {
  using Source = c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>;
  struct Entry {
    Source of;
    Tensor made;
  };
  std::mutex mutex;
  std::vector<Entry> entries;  // the newest last
};

Kept::Kept() : state_(std::make_shared<State>()) {}

Tensor Kept::operator()(const Tensor& x, const std::function<Tensor()>& make) const {
  const std::lock_guard lock(state_->mutex);
  auto& entries = state_->entries;
  std::erase_if(entries, [](const auto& entry) { return entry.of.expired(); });
  for (const auto& entry : entries) {
    if (entry.of._unsafe_get_target() == x.unsafeGetTensorImpl()) return entry.made;
  }
  if (entries.size() == kMost) entries.erase(entries.begin());
  const Tensor made = make();
  entries.push_back({State::Source(x.getIntrusivePtr()), made});
  return made;
}

Tensor Kept::cast(const Tensor& x, at::ScalarType dtype) const {
  if (x.scalar_type() == dtype) return x;
  const Tensor made = (*this)(x, [&] { return x.to(dtype); });
  return made.scalar_type() == dtype ? made : x.to(dtype);
}

}  // namespace easel::nn
