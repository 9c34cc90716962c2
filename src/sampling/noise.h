// Where a run's randomness comes from: the CPU generator for plain noise, a Brownian tree for the SDE samplers.
#pragma once
#include "tensor/aten.h"

namespace easel {

// torch's CPU generator; only the low 32 bits of the seed count, as in torch.
at::Generator cpu_generator(uint64_t seed);

// Unit Gaussian noise for the step from one sigma to the next, in the shape and on the device of the latent.
using NoiseSource = std::function<Tensor(float sigma, float sigma_next)>;

// Successive draws of one generator. Seeded like the initial noise, its first draw equals it: ComfyUI's behaviour.
NoiseSource gaussian_noise(const Tensor& like, uint64_t seed);

// Increments of one Brownian path over [sigma_min, sigma_max], divided by sqrt(|sigma - sigma_next|): the same path
// whatever the steps are. 0 < sigma_min <= sigma_max; sigmas outside are clamped.
NoiseSource brownian_noise(const Tensor& like, float sigma_min, float sigma_max, uint64_t seed);

// The increment W(t1) - W(t0) of a Brownian motion on [start, end] that depends on nothing but the entropy (Li et al.
// 2020, "Scalable Gradients for SDEs", section 4): a binary tree of Brownian bridges whose halves are rounded to 6
// decimals, each node seeded from its place. Matches torchsde 0.2.6's BrownianTree with tol 1e-6 and pool_size 24.
class BrownianTree {
 public:
  // size: the shape of an increment.
  BrownianTree(double start, double end, std::vector<int64_t> size, uint64_t entropy);

  // start <= t0 <= t1 <= end (clamped). float32, CPU.
  Tensor operator()(double t0, double t1) const;

 private:
  struct Node {
    double start, end;
    uint64_t key;  // path from the root, one bit a level
    uint32_t depth;
  };

  void add(const Node& node, const Tensor& increment, double t0, double t1, Tensor& sum) const;
  Tensor draw(uint32_t seed) const;

  std::vector<int64_t> size_;
  uint64_t entropy_;
  double start_, end_;
  Tensor whole_;  // the increment over [start, end]
};

// numpy's SeedSequence(entropy, spawn_key, pool_size).generate_state(count): O'Neill's seed_seq_fe hash.
std::vector<uint32_t> seed_sequence(uint64_t entropy, const std::vector<uint64_t>& spawn_key, size_t pool_size,
                                    size_t count);

}  // namespace easel
