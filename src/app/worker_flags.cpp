#include "app/worker_flags.h"

#include <unistd.h>

#include <CLI/CLI.hpp>

namespace easel {
namespace {

using Dtypes = std::vector<std::pair<std::string, at::ScalarType>>;

// "--bf16-unet" and kin: at most one of a part.
void add_dtypes(CLI::App& app, const std::string& part, const Dtypes& dtypes, std::optional<at::ScalarType>& chosen) {
  CLI::Option_group* group = app.add_option_group(part);
  group->require_option(0, 1);
  for (const auto& [name, dtype] : dtypes)
    group->add_flag_callback(
        "--" + name + "-" + part, [&chosen, dtype = dtype] { chosen = dtype; }, "compute the " + part + " in " + name);
}

// Outputs that nobody sets a bound for take at most half of the machine's memory.
void add_cache(CLI::App& app, CachePolicy& cache) {
  cache.bytes = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 2;
  const auto lru = [&cache](size_t entries) {
    if (entries > 0) cache = {CachePolicy::Kind::kLru, entries, cache.bytes};  // 0 is the classic one, as in ComfyUI
  };
  app.add_option_function<size_t>("--cache-lru", lru, "keep the outputs of N nodes");
  app.add_flag_callback(
      "--cache-none", [&cache] { cache.kind = CachePolicy::Kind::kNone; }, "keep no outputs");
  app.add_option_function<double>(
         "--cache-bytes", [&cache](double mb) { cache.bytes = static_cast<size_t>(mb * 1024 * 1024); },
         "MB that kept outputs may take")
      ->check(CLI::Range(0.0, 1e9));
}

}  // namespace

std::optional<int> parse_worker_flags(int argc, char** argv, WorkerFlags& flags) {
  CLI::App app("easel-worker: runs prompts for the easel server. Started by it, not by hand.");
  app.add_flag("--describe", flags.describe, "print the declarations of all nodes and leave");
  app.add_option("--fd", flags.fd, "serve the socket at this descriptor")->check(CLI::Range(0, 1 << 20));
  app.add_option("--threads", flags.threads, "threads for the kernels; 0: one for each core")
      ->check(CLI::Range(0, 4096));
  app.add_option("--publications", flags.publications, "where runs note what they publish");
  app.add_option("--stall-timeout", flags.stall_timeout, "seconds without progress after which this process ends")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--testing-nodes", flags.testing_nodes, "nodes for tests of the engine");
  add_cache(app, flags.cache);
  app.add_option("--clip-vocabulary", flags.clip_vocabulary, "CLIP's bpe_simple_vocab_16e6.txt.gz");

  app.add_option("--base-directory", flags.folders.base);
  app.add_option("--input-directory", flags.folders.input);
  app.add_option("--output-directory", flags.folders.output);
  app.add_option("--temp-directory", flags.folders.temp);
  app.add_option("--user-directory", flags.folders.user);
  app.add_option("--extra-model-paths-config", flags.folders.extra_model_paths);

  app.add_flag("--cpu")->description("run on the CPU, which this build does anyway");
  app.add_flag("--force-fp32", flags.precision.force_fp32)
      ->excludes(app.add_flag("--force-fp16", flags.precision.force_fp16));
  app.add_flag("--cpu-int8", flags.precision.cpu_int8);
  const Dtypes dtypes = {{"fp32", at::kFloat}, {"bf16", at::kBFloat16}, {"fp16", at::kHalf}};
  Dtypes unet_dtypes = dtypes;
  unet_dtypes.emplace_back("fp64", at::kDouble);
  add_dtypes(app, "unet", unet_dtypes, flags.precision.network);
  add_dtypes(app, "vae", dtypes, flags.precision.vae);
  add_dtypes(app, "text-enc", dtypes, flags.precision.text);
  app.add_flag_callback("--disable-metadata", [&flags] { flags.metadata = false; });

  try {
    app.parse(argc, argv);
    if (!flags.describe && flags.fd < 0) throw CLI::RequiredError("--fd or --describe");
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  return std::nullopt;
}

}  // namespace easel
