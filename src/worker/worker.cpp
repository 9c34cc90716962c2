#include "worker/worker.h"

#include <torch/headeronly/version.h>

#include <string>

#include "base/host.h"
#include "tensor/aten.h"
#include "tensor/host_memory.h"

namespace easel {
namespace {

constexpr const char* kVersion = "0.3.64";  // of ComfyUI, whose behaviour and nodes we match

wire::Device cpu_figures() {
  const HostMemory memory = host_memory();
  const auto total = static_cast<uint64_t>(memory.total), available = static_cast<uint64_t>(memory.available);
  return {.name = "cpu",
          .type = "cpu",
          .vram_total = total,
          .vram_free = available,
          .torch_vram_total = total,
          .torch_vram_free = available};
}

// libtorch's CPU allocator throws a plain c10::Error, told apart only by its words.
bool is_out_of_memory() {
  try {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    return true;
  } catch (const std::bad_alloc&) {
    return true;
  } catch (const c10::Error& error) {
    return std::string(error.what_without_backtrace()).find("can't allocate memory") != std::string::npos;
  } catch (...) {
    return false;
  }
}

}  // namespace

int serve_worker(int fd, const WorkerParts& parts) {
  const c10::InferenceMode no_gradients;  // for this thread, on which the prompts run
  wire::WorkerServices services;
  services.version = kVersion;
  services.pytorch_version = TORCH_VERSION;
  services.devices = [] { return std::vector<wire::Device>{cpu_figures()}; };
  services.list_models = parts.list_models;
  services.free = [&parts](bool unload_models, bool free_memory) {
    if (!unload_models && !free_memory) return;
    parts.unload_models();
    empty_host_memory();
  };
  services.is_out_of_memory = is_out_of_memory;
  services.before_prompt = parts.before_prompt;
  services.after_prompt = parts.after_prompt;
  services.stall_limit = parts.stall_limit;
  services.cache = parts.cache;
  services.around_side_thread = [](const std::function<void()>& work) {
    const c10::InferenceMode none_here_either;
    work();
  };
  return wire::serve(fd, parts.registry, services);
}

}  // namespace easel
