// ComfyUI's command line flags, all of them (reference/api.md §8), and what easel does with each.
#pragma once
#include <CLI/CLI.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "folders/folders.h"

namespace easel::app {

class Flags {
 public:
  // Adds every flag to a subcommand. Exclusive groups refuse each other; an unknown flag is refused by the parser.
  void add_to(CLI::App& command);

  bool has(const std::string& name) const;
  std::string value(const std::string& name, const std::string& fallback = "") const;
  std::vector<std::string> values(const std::string& name) const;
  int64_t integer(const std::string& name, int64_t fallback) const;
  double real(const std::string& name, double fallback) const;

  // "--oneapi-device-selector is not served yet and has no effect", one line for each such flag that was given.
  std::vector<std::string> warnings() const;

  FolderOptions folders() const;
  // What the worker must know too, as it takes it: folders made absolute, precision, memory, previews.
  std::vector<std::string> for_worker() const;
  std::string preview_method() const { return value("--preview-method", "none"); }

 private:
  struct Given {
    CLI::Option* option;
    std::vector<std::string> values;
  };
  std::map<std::string, Given> given_;
};

}  // namespace easel::app
