#include "sampling/step_cache.h"

#include <vector>

#include "base/log.h"

namespace easel {

namespace {

double size(const Tensor& t) { return t.abs().mean().item<double>(); }

// Counts what was left out; says so at the end of the run where asked to.
struct Tally {
  const char* name;
  bool verbose;
  int64_t asked = 0, skipped = 0;
  ~Tally() {
    if (!verbose || asked == 0) return;
    log::info("{}: left out {} of {} calls ({:.2f} times as fast)", name, skipped, asked,
              static_cast<double>(asked) / static_cast<double>(std::max<int64_t>(1, asked - skipped)));
  }
};

struct Window {
  double start, end;
  Window(const StepCacheOptions& options, const ModelSampling& sampling)
      : start(sampling.percent_to_sigma(options.start_percent)), end(sampling.percent_to_sigma(options.end_percent)) {}
  bool has(double sigma) const { return sigma <= start && sigma >= end; }
};

// The calls of one step differ in what they are conditioned on; each has a memory of its own, the first decides.
class CachedDenoiser {
 public:
  CachedDenoiser(Denoiser inner, const ModelSampling& sampling, const StepCacheOptions& options)
      : inner_(std::move(inner)),
        sampling_(sampling),
        options_(options),
        window_(options, sampling),
        tally_(std::make_shared<Tally>(Tally{"EasyCache", options.verbose})) {}

  Tensor operator()(const DenoiseInput& in) {
    const double sigma = in.sigma[0].item<double>();
    const Tensor level = in.sigma.reshape({-1, 1, 1, 1});
    const Tensor x = sampling_.calculate_input(in.sigma, in.x);
    const size_t key = key_of(in);
    StepCache& cache = calls_[key].cache;
    const bool likely = cache.may_skip(x);
    if (key == 0) skip_ = likely && window_.has(sigma);
    ++tally_->asked;
    if (skip_ && calls_[key].filled) {
      ++tally_->skipped;
      return in.x - cache.estimate(x) * level;
    }
    const Tensor denoised = inner_(in);
    cache.keep(x, (in.x - denoised) / level);
    calls_[key].filled = true;
    return denoised;
  }

 private:
  struct Call {
    Tensor context;
    std::vector<int64_t> shape;
    StepCache cache;
    bool filled = false;
  };

  size_t key_of(const DenoiseInput& in) {
    for (size_t i = 0; i < calls_.size(); ++i) {
      if (calls_[i].context.is_same(in.context) && in.x.sizes() == calls_[i].shape) return i;
    }
    calls_.push_back({in.context, in.x.sizes().vec(), StepCache(options_.threshold)});
    return calls_.size() - 1;
  }

  Denoiser inner_;
  ModelSampling sampling_;
  StepCacheOptions options_;
  Window window_;
  std::shared_ptr<Tally> tally_;
  std::vector<Call> calls_;
  bool skip_ = false;
};

}  // namespace

bool StepCache::may_skip(const Tensor& x) {
  const bool known = difference_.defined();
  moved_ = x_.defined() ? size(x - x_) : 0;
  x_ = x;
  if (!known || rate_ <= 0) return false;
  estimated_ += rate_ * moved_ / std::max(size(output_), 1e-12);
  return estimated_ < threshold_;
}

Tensor StepCache::estimate(const Tensor& x) { return output_ = x + difference_; }

void StepCache::keep(const Tensor& x, const Tensor& output) {
  if (output_.defined() && moved_ > 0) rate_ = size(output - output_) / moved_;
  output_ = output;
  difference_ = output - x;
  estimated_ = 0;
}

void add_easy_cache(GuidancePatches& patches, const StepCacheOptions& options) {
  patches.around_denoiser.push_back([options](Denoiser inner, const ModelSampling& sampling) -> Denoiser {
    return CachedDenoiser(std::move(inner), sampling, options);
  });
}

void add_lazy_cache(GuidancePatches& patches, const StepCacheOptions& options) {
  patches.around_guidance.push_back([options](Guidance inner, const ModelSampling& sampling) -> Guidance {
    auto tally = std::make_shared<Tally>(Tally{"LazyCache", options.verbose});
    auto cache = std::make_shared<StepCache>(options.threshold);
    const Window window(options, sampling);
    return [=](const Predictor& predict, const Tensor& x, float sigma, Tensor* uncond) {
      if (uncond) return inner(predict, x, sigma, uncond);  // samplers that want both sides get both
      const Tensor in = sampling.calculate_input(at::full({x.size(0)}, sigma, x.options()), x);
      const bool skip = cache->may_skip(in) && window.has(sigma);
      ++tally->asked;
      if (skip) {
        ++tally->skipped;
        return x - cache->estimate(in) * sigma;
      }
      const Tensor denoised = inner(predict, x, sigma, uncond);
      cache->keep(in, (x - denoised) / sigma);
      return denoised;
    };
  });
}

}  // namespace easel
