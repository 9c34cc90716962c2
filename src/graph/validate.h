// Whether a prompt can run, with ComfyUI's error shapes (reference/api.md §3).
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "graph/describe.h"
#include "graph/node.h"
#include "graph/prompt.h"

namespace easel {

// What validation asks about files.
struct FileQueries {
  Choices choices;
  // Whether an uploaded file is there: the value of an input with FileSource::upload, perhaps ending in " [output]". A
  // name that would leave its folder does not exist.
  std::function<bool(const FileSource&, const std::string& name)> exists;
};

struct PromptError {
  std::string type, message, details;
  OrderedJson extra_info = OrderedJson::object();
};
OrderedJson to_json(const PromptError& error);  // {"type", "message", "details", "extra_info"}

struct ValidationResult {
  bool ok = false;
  PromptError error;                                // when not ok
  OrderedJson node_errors = OrderedJson::object();  // also when ok: outputs that will not run
  std::vector<std::string> outputs_to_execute;      // in the order of the prompt
};

// Checks every output (those among `targets`, if given) and all it depends on, and writes constants back as the types
// their inputs declare ("3" becomes 3, as Python's int() would). Never throws on what a client can send; time is
// linear, no recursion. A cycle is an error of the outputs that reach it. Checks that nodes make themselves are asked
// for once, all together: of `checks`, which may throw (then this does), or without it of the registry's own functions.
ValidationResult validate(Prompt& prompt, const Registry& registry, const FileQueries& files,
                          const std::optional<std::vector<std::string>>& targets = std::nullopt,
                          const Checks& checks = {});

}  // namespace easel
