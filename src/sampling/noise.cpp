#include "sampling/noise.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"

namespace easel {

at::Generator cpu_generator(uint64_t seed) { return at::make_generator<at::CPUGeneratorImpl>(seed); }

NoiseSource gaussian_noise(const Tensor& like, uint64_t seed) {
  return [generator = cpu_generator(seed), sizes = like.sizes().vec(), device = like.device()](float, float) {
    return at::randn(sizes, generator, at::kFloat).to(device);
  };
}

NoiseSource brownian_noise(const Tensor& like, float sigma_min, float sigma_max, uint64_t seed) {
  if (!(sigma_min > 0 && sigma_max >= sigma_min)) {
    fail("brownian_noise: sigmas from {} to {}; wanted 0 < sigma_min <= sigma_max", sigma_min, sigma_max);
  }
  return [tree = BrownianTree(sigma_min, sigma_max, like.sizes().vec(), seed), device = like.device()](float from,
                                                                                                       float to) {
    // The path runs upwards in sigma; a step down takes the increment's negative.
    const Tensor increment = from < to ? tree(from, to) : -tree(to, from);
    return (increment / std::sqrt(std::abs(to - from))).to(device);
  };
}

namespace {

// Python's round(x, 6): to nearest in decimal, exact ties to even, which is how printf rounds.
double round6(double x) {
  char text[400];
  std::snprintf(text, sizeof text, "%.6f", x);
  return std::strtod(text, nullptr);
}

constexpr size_t kPoolSize = 24;
constexpr uint32_t kMaxDepth = 60;  // 2^60 * 1e-6 exceeds any schedule

}  // namespace

BrownianTree::BrownianTree(double start, double end, std::vector<int64_t> size, uint64_t entropy)
    : size_(std::move(size)), entropy_(entropy), start_(round6(start)), end_(round6(end)) {
  if (!(start <= end) || !std::isfinite(end) || end > 1e12) {
    fail("BrownianTree: times from {} to {}; wanted a finite, ascending range", start, end);
  }
  whole_ = draw(seed_sequence(entropy_, {}, kPoolSize, 3)[0]) * std::sqrt(end - start);
}

Tensor BrownianTree::draw(uint32_t seed) const { return at::randn(size_, cpu_generator(seed), at::kFloat); }

Tensor BrownianTree::operator()(double t0, double t1) const {
  t0 = round6(std::clamp(t0, start_, end_));
  t1 = round6(std::clamp(t1, start_, end_));
  Tensor sum;
  if (t0 < t1) {
    add({start_, end_, 0, 0}, whole_, t0, t1, sum);
  }
  return sum.defined() ? sum : at::zeros(size_, at::kFloat);
}

// Adds the pieces of [t0, t1] that lie in `node`, from left to right. Nothing is cached: a query draws at most two
// tensors a level.
void BrownianTree::add(const Node& node, const Tensor& increment, double t0, double t1, Tensor& sum) const {
  if (t0 == node.start && t1 == node.end) {
    sum = sum.defined() ? sum + increment : increment;
    return;
  }
  if (node.depth > kMaxDepth) {
    fail("BrownianTree: [{}, {}] needs more than {} halvings", t0, t1, kMaxDepth);
  }
  const double middle = round6(0.5 * (node.end + node.start));
  const double inverse = 1 / (node.end - node.start);
  const double left_length = middle - node.start, right_length = node.end - middle;
  const Tensor noise = draw(seed_sequence(entropy_, {node.key, node.depth}, kPoolSize, 1)[0]);
  // Brownian bridge: the left half given the whole
  const Tensor left = left_length * increment * inverse + std::sqrt(left_length * right_length * inverse) * noise;
  if (t0 < middle) {
    add({node.start, middle, 2 * node.key, node.depth + 1}, left, t0, std::min(t1, middle), sum);
  }
  if (t1 > middle) {
    add({middle, node.end, 2 * node.key + 1, node.depth + 1}, increment - left, std::max(t0, middle), t1, sum);
  }
}

namespace {

void append_words(uint64_t value, std::vector<uint32_t>& words) {
  words.push_back(static_cast<uint32_t>(value));
  if (value >> 32 != 0) {
    words.push_back(static_cast<uint32_t>(value >> 32));
  }
}

// The two hashes of seed_seq_fe share this step and differ in their constants.
class Hash {
 public:
  Hash(uint32_t initial, uint32_t multiplier) : state_(initial), multiplier_(multiplier) {}

  uint32_t operator()(uint32_t value) {
    value ^= state_;
    state_ *= multiplier_;
    value *= state_;
    return value ^ value >> 16;
  }

 private:
  uint32_t state_, multiplier_;
};

uint32_t mix(uint32_t x, uint32_t y) {
  const uint32_t result = 0xca01f9ddu * x - 0x4973f715u * y;
  return result ^ result >> 16;
}

}  // namespace

std::vector<uint32_t> seed_sequence(uint64_t entropy, const std::vector<uint64_t>& spawn_key, size_t pool_size,
                                    size_t count) {
  std::vector<uint32_t> words;
  append_words(entropy, words);
  if (!spawn_key.empty()) {
    words.resize(std::max(words.size(), pool_size), 0);  // so that a key is never taken for entropy
  }
  for (const uint64_t key : spawn_key) {
    append_words(key, words);
  }

  std::vector<uint32_t> pool(pool_size);
  Hash absorb(0x43b0d7e5u, 0x931e8875u);
  for (size_t i = 0; i < pool_size; ++i) {
    pool[i] = absorb(i < words.size() ? words[i] : 0);
  }
  for (size_t from = 0; from < pool_size; ++from) {
    for (size_t to = 0; to < pool_size; ++to) {
      if (from != to) {
        pool[to] = mix(pool[to], absorb(pool[from]));
      }
    }
  }
  for (size_t from = pool_size; from < words.size(); ++from) {
    for (uint32_t& word : pool) {
      word = mix(word, absorb(words[from]));
    }
  }

  std::vector<uint32_t> state(count);
  Hash squeeze(0x8b51f9ddu, 0x58f38dedu);
  for (size_t i = 0; i < count; ++i) {
    state[i] = squeeze(pool[i % pool_size]);
  }
  return state;
}

}  // namespace easel
