// What the approximate ways of computing cost in quality: pictures of the demo model against the same in float32.
// `bench_quality [--pictures 20] [--steps 20]`, in the source folder. PSNR over all pixels, 8 bits being the unit.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "models/checkpoint.h"
#include "sampling/sample.h"
#include "sampling/step_cache.h"
#include "tensor/host_memory.h"
#include "tensor/threads.h"

namespace {

using namespace easel;

struct Way {
  std::string name;
  Precision precision;
  void (*cache)(GuidancePatches&, const StepCacheOptions&) = nullptr;
  double threshold = 0;
};

struct Asked {
  std::vector<std::string> prompts;
  int64_t steps;
};

struct Made {
  std::vector<Tensor> pictures;  // [1, H, W, 3] in 0..1
  int64_t calls = 0;
  double seconds = 0;
};

double now() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (time.tv_sec + 1e-9 * time.tv_nsec) / at::get_num_threads();
}

Made make(const Way& way, const Asked& asked) {
  const auto file =
      load_checkpoint("demo/models/checkpoints/easel-demo.safetensors",
                      {.precision = way.precision, .clip_vocabulary = ".deps/clip/bpe_simple_vocab_16e6.txt.gz"});
  Made made;
  const auto text = [&](const std::string& words) {
    Conditioning conditioning;
    conditioning.cross_attn = file.clip->encode(words).cross_attn;
    return ConditioningList{conditioning};
  };
  SampleRequest request{.negative = text(""), .cfg = 5.0, .steps = asked.steps};
  const LatentFormat format = file.model->latent_format();
  request.model = {.network =
                       [&, network = file.model->network()](const NetInput& in) {
                         ++made.calls;
                         return network(in);
                       },
                   .sampling = file.model->sampling,
                   .process_in = [format](const Tensor& latent) { return format.to_network(latent); },
                   .process_out = [format](const Tensor& latent) { return format.from_network(latent); }};
  if (way.cache) way.cache(request.model.patches, {.threshold = way.threshold});
  const double start = now();
  for (size_t i = 0; i < asked.prompts.size(); ++i) {
    request.positive = text(asked.prompts[i]);
    request.latent_image = at::zeros({1, 4, 16, 16});
    request.seed = i + 1;
    request.noise = prepare_noise(request.latent_image, request.seed);
    made.pictures.push_back(file.vae->decode(sample(request)));
  }
  made.seconds = (now() - start) / static_cast<double>(asked.prompts.size());
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("quality of the approximate ways of computing");
  size_t pictures = 20;
  Asked asked{{}, 20};
  app.add_option("--pictures", pictures);
  app.add_option("--steps", asked.steps);
  CLI11_PARSE(app, argc, argv);

  const c10::InferenceMode guard;
  recycle_host_memory();
  use_threads();
  const Json names = Json::parse(std::ifstream("demo/names.json"));
  for (size_t i = 0; i < pictures; ++i) asked.prompts.push_back(names.at(i % names.size()).at("prompts").at(1));

  const Precision exact, bf16{.network = at::kBFloat16, .vae = at::kBFloat16};
  Precision int8 = bf16;
  int8.int8 = true;
  const std::vector<Way> ways{{"bfloat16", bf16},
                              {"bfloat16, int8", int8},
                              {"EasyCache 0.1", exact, add_easy_cache, 0.1},
                              {"EasyCache 0.2", exact, add_easy_cache, 0.2},
                              {"EasyCache 0.4", exact, add_easy_cache, 0.4},
                              {"LazyCache 0.1", exact, add_lazy_cache, 0.1},
                              {"LazyCache 0.2", exact, add_lazy_cache, 0.2},
                              {"bfloat16, int8, EasyCache 0.2", int8, add_easy_cache, 0.2}};
  const Made wanted = make({"float32", exact}, asked);
  fmt::print(
      "| {} pictures, {} steps | PSNR, mean | worst | calls of the network | processor time a picture |\n"
      "|---|---|---|---|---|\n| float32 | | | {} | {:.2f} s |\n",
      pictures, asked.steps, wanted.calls, wanted.seconds);
  for (const Way& way : ways) {
    const Made made = make(way, asked);
    double sum = 0, worst = 1e9;
    for (size_t i = 0; i < pictures; ++i) {
      const double error = (made.pictures[i] - wanted.pictures[i]).square().mean().item<double>();
      const double psnr = std::min(99.0, -10 * std::log10(std::max(error, 1e-30)));
      sum += psnr;
      worst = std::min(worst, psnr);
    }
    fmt::print("| {} | {:.1f} dB | {:.1f} dB | {} | {:.2f} s |\n", way.name, sum / static_cast<double>(pictures), worst,
               made.calls, made.seconds);
    std::fflush(stdout);
  }
}
