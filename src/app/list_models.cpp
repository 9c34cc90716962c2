// easel models: what lies in the model folders, and what the worker takes each file for.
#include <cstdio>

#include "app/commands.h"
#include "app/program.h"
#include "app/session.h"
#include "base/error.h"
#include "base/log.h"

namespace easel::app {
namespace {

std::vector<wire::ModelFile> ask_worker(const Flags& flags, const std::string& worker) {
  WorkerSession session(worker_command(flags, worker));
  session.send(wire::ListModels{});
  for (;;) {
    wire::Message message = session.receive();
    if (auto* models = std::get_if<wire::Models>(&message)) return std::move(models->files);
  }
}

}  // namespace

int list_models(const Flags& flags, const std::string& worker) {
  const auto files = ask_worker(flags, worker);
  size_t folder = 0, name = 0;
  for (const auto& file : files) folder = std::max(folder, file.folder.size()), name = std::max(name, file.name.size());
  for (const auto& file : files)
    std::printf("%-*s  %-*s  %9.1f MB  %s\n", static_cast<int>(folder), file.folder.c_str(), static_cast<int>(name),
                file.name.c_str(), static_cast<double>(file.bytes) / 1e6, file.kind.c_str());
  if (files.empty()) {
    const Folders folders(flags.folders());
    log::info("no model files; put checkpoints under {}", folders.model_roots("checkpoints").front().string());
  }
  return 0;
}

}  // namespace easel::app
