// A check of a node's own on what it was given (ComfyUI's VALIDATE_INPUTS), made before a prompt is accepted. It looks
// at constants only, and runs where the node's code is: in the worker, when the server validates.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace easel {

// What one check is asked. Plain data: it crosses the wire.
struct CheckQuestion {
  std::string class_type;
  std::map<std::string, Json> constants;          // the inputs it names; null where it is linked
  std::map<std::string, std::string> link_types;  // what is linked to the node's inputs, if it asks for it
};

struct CheckAnswer {
  bool good = true;
  std::string text;       // why not; "" for no reason given
  std::string exception;  // the check itself failed, and says why
};

// Answers all questions of one prompt, in order.
using Checks = std::function<std::vector<CheckAnswer>(const std::vector<CheckQuestion>&)>;

struct Check {
  std::vector<std::string> inputs;  // those it is given; an error is recorded for each of them
  bool all_inputs = false;          // **kwargs: every input
  bool link_types = false;          // is given the types of links, and the types are its to judge
  // Nothing if all is well, else why not ("" for no reason). Empty where only the declaration is known. May be called
  // from any thread.
  std::function<std::optional<std::string>(const CheckQuestion&)> run;

  explicit operator bool() const { return all_inputs || link_types || !inputs.empty(); }
  bool takes(const std::string& input) const;  // then its range and choices are not checked otherwise
};

class Registry;
// Asks the nodes themselves: those of a registry that has their functions.
std::vector<CheckAnswer> answer_checks(const Registry& registry, const std::vector<CheckQuestion>& questions);

}  // namespace easel
