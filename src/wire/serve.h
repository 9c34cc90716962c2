// The worker's job loop without torch: takes messages from the server, runs prompts, reports. What needs a device or a
// model comes in as functions.
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "graph/cache.h"
#include "graph/node.h"
#include "wire/messages.h"

namespace easel::wire {

// Every member may stay empty.
struct WorkerServices {
  std::string version, pytorch_version;

  std::function<std::vector<Device>()> devices;  // figures of this moment; called from any thread, also during a run
  std::function<std::vector<ModelFile>()> list_models;  // the rest is called from the thread that runs the prompts
  std::function<void(bool unload_models, bool free_memory)> free;
  std::function<void(const std::string& prompt_id)> before_prompt;
  std::function<void()> after_prompt;  // also when the prompt failed

  // Called inside a catch block: whether the exception that is being handled means that memory ran out on a device
  // (c10::OutOfMemoryError); then the models are unloaded. std::bad_alloc is known here.
  std::function<bool()> is_out_of_memory;

  // A prompt without a sign of life (base/heartbeat.h) for that long ends the process with kStalled; 0: never.
  std::chrono::milliseconds stall_limit{0};

  CachePolicy cache;
  // Sets up a thread on which nodes run beside the others, and calls what it is given there.
  std::function<void(const std::function<void()>&)> around_side_thread;
};

// Says Hello over the descriptor (which it owns from then on) and serves until Shutdown or the end of the stream.
// Prompts run on the calling thread, one at a time; a second thread reads, so that an interrupt works during a run; a
// third one makes the checks that nodes make of what they are to be given.
// Returns the exit status: 0 after Shutdown or when the server is gone, 1 when it sent something malformed.
int serve(int fd, const Registry& registry, const WorkerServices& services);

}  // namespace easel::wire
