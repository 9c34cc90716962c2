// Where the parts of the package lie, as seen from the running program.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "app/flags.h"
#include "graph/node.h"

namespace easel::app {

std::filesystem::path program_folder();

// The worker and its arguments: --worker, or easel-worker beside this program.
std::vector<std::string> worker_command(const Flags& flags, const std::string& worker);

// The declarations of every node: nodes.json beside the program, or what the worker says itself where it was
// named or is to have other nodes (--testing-nodes).
Registry load_nodes(const Flags& flags, const std::string& worker);

// What a program prints on its stdout. Throws Error when it cannot be run or fails.
std::string output_of(const std::vector<std::string>& argv);

// Level, sinks and pattern from --verbose, --log-stdout, --dont-print-server.
void set_up_logging(const Flags& flags);

}  // namespace easel::app
