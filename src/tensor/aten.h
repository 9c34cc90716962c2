// The one header through which the torch rooms see libtorch; precompiled once and shared (never <torch/torch.h>, 11 s a
// file).
#pragma once
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace easel {
using at::Tensor;
}  // namespace easel
