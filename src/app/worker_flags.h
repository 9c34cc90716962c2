// The command line of easel-worker: what the server hands on of its own flags, under the same names.
#pragma once
#include <optional>
#include <string>

#include "folders/folders.h"
#include "graph/cache.h"
#include "tensor/precision.h"

namespace easel {

struct WorkerFlags {
  bool describe = false;  // --describe: print nodes.json and leave
  int fd = -1;            // --fd N: serve the socket at this descriptor
  FolderOptions folders;
  PrecisionFlags precision;
  bool metadata = true;         // --disable-metadata clears it
  std::string publications;     // --publications: folder where a run notes what it publishes; empty: nowhere
  double stall_timeout = 300;   // --stall-timeout: seconds; 0: never
  int threads = 0;              // --threads: 0 = as many as the machine has cores for us
  CachePolicy cache;            // --cache-lru N, --cache-none, --cache-bytes MB
  bool testing_nodes = false;   // --testing-nodes
  std::string clip_vocabulary;  // --clip-vocabulary; empty: searched for beside the program
};

// Fills `flags`; where the line is wrong, or asks for help, says so and gives the exit status.
std::optional<int> parse_worker_flags(int argc, char** argv, WorkerFlags& flags);

}  // namespace easel
