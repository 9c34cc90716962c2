// What was computed from a tensor that comes again unchanged: a text's keys and values are the same at every step.
#pragma once
#include "tensor/aten.h"

namespace easel::nn {

// A few results by the tensor they were made of, told by its identity; a result goes when its tensor is gone. Whoever
// hands in a tensor must not write to it afterwards. Copies share what is kept. Thread-safe.
class Kept {
 public:
  Kept();
  // What make() gave for this very x.
  Tensor operator()(const Tensor& x, const std::function<Tensor()>& make) const;
  // x in `dtype`.
  Tensor cast(const Tensor& x, at::ScalarType dtype) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace easel::nn
