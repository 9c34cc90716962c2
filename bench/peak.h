// The rate of matrix products that stay in the first caches, on all threads: what "share of the peak" means here.
#pragma once
#include <ATen/native/CPUBlas.h>

#include <ctime>

#include "tensor/aten.h"

namespace easel::bench {

// Operations a second; the best of a few runs. For bfloat16 the processor must have AVX-512.
template <class T>
double peak_rate(const std::function<double()>& now) {
  constexpr int64_t m = 128, n = 256, k = 512, times = 40;
  const auto dtype = c10::CppTypeToScalarType<T>::value;
  const int64_t threads = at::get_num_threads();
  double best = 1e9;
  for (int run = 0; run < 20; ++run) {
    const double start = now();
    at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
      const Tensor a = at::ones({m, k}, dtype), b = at::ones({k, n}, dtype), c = at::empty({m, n}, at::kFloat);
      constexpr bool vnni = sizeof(T) == 2;
      for (int i = 0; i < times; ++i) {
        at::native::cpublas::brgemm(m, n, k, k, n, n, false, a.const_data_ptr<T>(), b.const_data_ptr<T>(),
                                    c.data_ptr<float>(), vnni);
      }
      at::native::cpublas::brgemm_release(vnni);
    });
    best = std::min(best, now() - start);
  }
  return 2.0 * m * n * k * times * threads / best;
}

}  // namespace easel::bench
