// What `easel` can be asked to do. Each returns the exit status.
#pragma once
#include <string>
#include <vector>

#include "app/flags.h"

namespace easel::app {

// The server, until SIGINT or SIGTERM.
int serve(const Flags& flags, const std::string& worker, std::vector<std::string> arguments);

struct RunRequest {
  std::string workflow;              // a file, "-" for stdin
  std::vector<std::string> changes;  // NODE.INPUT=VALUE
  std::string output;                // folder for pictures; "" as the flags have it
};
// One workflow through a worker, without a server: progress on stderr, the files made on stdout.
int run(const Flags& flags, const std::string& worker, const RunRequest& request);

// What lies in the model folders and what each file is taken for.
int list_models(const Flags& flags, const std::string& worker);

}  // namespace easel::app
