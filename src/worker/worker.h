// The worker: nodes on libtorch behind the wire's job loop. Adds what the loop must not know: inference mode, memory
// figures of the machine, exceptions of libtorch.
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "wire/serve.h"

namespace easel {

struct WorkerParts {
  const Registry& registry;
  std::function<std::vector<wire::ModelFile>()> list_models;
  std::function<void()> unload_models;
  std::function<void(const std::string& prompt_id)> before_prompt;
  std::function<void()> after_prompt;
  CachePolicy cache;
  std::chrono::milliseconds stall_limit{0};  // as wire::WorkerServices has it
};

// Serves the server's end of `fd` on this thread until it is told to stop. Returns the exit status.
int serve_worker(int fd, const WorkerParts& parts);

}  // namespace easel
