// easel-worker: models and nodes behind a socket.
#include <spdlog/sinks/stdout_color_sinks.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>

#include "app/worker_flags.h"
#include "base/log.h"
#include "folders/publication.h"
#include "formats/mapped_file.h"
#include "graph/describe.h"
#include "nodes/all.h"
#include "nodes/model_cache.h"
#include "nodes/testing/testing.h"
#include "tensor/host_memory.h"
#include "tensor/threads.h"
#include "worker/worker.h"

namespace {

using namespace easel;
namespace fs = std::filesystem;

// Installed (<prefix>/share/easel/clip) or in the source tree (.deps/clip), above the program's own folder.
std::string find_clip_vocabulary() {
  const fs::path name = "clip/bpe_simple_vocab_16e6.txt.gz";
  std::error_code ignored;
  for (fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path(); folder.has_relative_path();
       folder = folder.parent_path())
    for (const char* where : {"share/easel", ".deps"})
      if (fs::exists(folder / where / name, ignored)) return folder / where / name;
  return name;  // the tokenizer says that it is absent
}

LoadOptions load_options(const WorkerFlags& flags, const Folders& folders) {
  return {.precision = choose_precision(flags.precision),
          .clip_vocabulary = flags.clip_vocabulary.empty() ? find_clip_vocabulary() : flags.clip_vocabulary,
          .find_embedding = [&folders](const std::string& name) -> std::optional<std::string> {
            for (const char* extension : {"", ".safetensors", ".pt", ".bin"})
              if (auto path = folders.find("embeddings", name + extension)) return path->string();
            return std::nullopt;
          },
          .find_approximation = [&folders](const std::string& stem) -> std::optional<std::string> {
            for (const std::string& name : folders.list("vae_approx"))
              if (name.rfind(stem + ".", 0) == 0) return folders.at("vae_approx", name);
            return std::nullopt;
          }};
}

std::vector<wire::ModelFile> list_models(const Folders& folders) {
  std::vector<wire::ModelFile> listed;
  for (const std::string& folder : folders.folder_names()) {
    if (folder == "custom_nodes" || folder == "configs") continue;
    for (const std::string& name : folders.list(folder)) {
      const auto path = folders.find(folder, name);
      if (!path) continue;
      std::string kind;
      try {
        kind = identify(*path);
      } catch (const std::exception& error) {
        kind = std::string("unreadable: ") + error.what();
      }
      std::error_code ignored;
      listed.push_back({folder, name, kind, fs::file_size(*path, ignored)});
    }
  }
  return listed;
}

// A model whose file was cut short under it is of no use, and who holds it is not known here: the server starts another
// worker.
void leave_if_broken() {
  try {
    check_mapped_files("easel-worker");
  } catch (const std::exception& error) {
    log::error("{}; the worker is replaced", error.what());
    std::_Exit(EXIT_FAILURE);
  }
}

int run(const WorkerFlags& flags) {
  spdlog::set_level(spdlog::level::warn);  // where folders are the server has said
  const Folders folders(flags.folders);
  spdlog::set_level(spdlog::level::info);
  ModelCache models(load_options(flags, folders));
  Registry registry;
  add_all_nodes(registry, {.folders = folders, .models = models, .metadata = flags.metadata});
  if (flags.testing_nodes) add_testing_nodes(registry);
  if (flags.describe) {
    const std::string text = describe(registry);
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    return written ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  use_threads(flags.threads);
  return serve_worker(flags.fd, {.registry = registry,
                                 .list_models = [&folders] { return list_models(folders); },
                                 .unload_models = [&models] { models.unload(); },
                                 .before_prompt =
                                     [&flags](const std::string& prompt_id) {
                                       if (!flags.publications.empty())
                                         folders::note_publications(folders::journal_of(flags.publications, prompt_id));
                                     },
                                 .after_prompt = leave_if_broken,
                                 .cache = flags.cache,
                                 .stall_limit = std::chrono::milliseconds(std::llround(flags.stall_timeout * 1000))});
}

}  // namespace

int main(int argc, char** argv) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("easel-worker"));  // stdout is for --describe
  spdlog::set_pattern("%H:%M:%S %^%L%$ worker: %v");                    // among the server's own lines
  WorkerFlags flags;
  flags.folders.base = fs::current_path();
  if (const auto status = parse_worker_flags(argc, argv, flags)) return *status;
  recycle_host_memory();
  try {
    return run(flags);
  } catch (const std::exception& error) {
    log::error("easel-worker: {}", error.what());
    return EXIT_FAILURE;
  }
}
