#include "graph/check.h"

#include <algorithm>

#include "graph/failure.h"
#include "graph/node.h"

namespace easel {
namespace {

CheckAnswer answer(const Registry& registry, const CheckQuestion& question) {
  const Node* node = registry.find(question.class_type);
  if (!node || !node->check.run)
    return {.good = false, .exception = "the check of " + question.class_type + " is not known here"};
  try {
    const auto verdict = node->check.run(question);
    return {.good = !verdict, .text = verdict.value_or("")};
  } catch (...) {
    return {.good = false, .exception = current_failure({}).message};
  }
}

}  // namespace

bool Check::takes(const std::string& input) const {
  return all_inputs || std::find(inputs.begin(), inputs.end(), input) != inputs.end();
}

std::vector<CheckAnswer> answer_checks(const Registry& registry, const std::vector<CheckQuestion>& questions) {
  std::vector<CheckAnswer> answers;
  for (const CheckQuestion& question : questions) answers.push_back(answer(registry, question));
  return answers;
}

}  // namespace easel
