// What a client can send to POST /prompt, through reading, validation and planning: an Error at most, never more.
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "graph/schedule.h"
#include "graph/signature.h"
#include "graph/validate.h"
#include "test_worker/test_nodes.h"

using namespace easel;

namespace {

const Registry& registry() {
  static const Registry registry = [] {
    Registry made;
    test::add_test_nodes(made);
    test::add_recorded_nodes(made, "/nonexistent", "/nonexistent");
    return made;
  }();
  return registry;
}

void check(Prompt prompt) {
  const FileQueries files{.choices = [](const FileSource&) { return std::vector<std::string>{"a.safetensors"}; },
                          .exists = [](const FileSource&, const std::string& name) { return name == "a.png"; }};
  const ValidationResult result = validate(prompt, registry(), files);
  if (result.ok == result.outputs_to_execute.empty()) std::abort();
  to_json(result.error).dump();
  result.node_errors.dump();
  // What goes to the worker must come back as it was.
  const std::string text = prompt_to_json(prompt);
  const Prompt again = parse_prompt(text);
  if (prompt_to_json(again) != text) std::abort();
  if (!result.ok) return;
  const auto plan = make_plan(again, registry());
  const std::vector<Json> fingerprints(plan.size());
  Signer(plan, fingerprints, [&](size_t node) -> const std::string& { return again.nodes[node].id; }).sign_all();
  Schedule schedule(plan, [](size_t) { return false; });
  for (const std::string& output : result.outputs_to_execute) schedule.add(again.find(output));
  while (auto node = schedule.next()) schedule.done(*node);
  if (!schedule.cycle().empty()) std::abort();  // validation lets no cycle through
}

template <class F>
void attempt(F function) {
  try {
    function();
  } catch (const Error& error) {
    Json(error.what()).dump();  // must be fit to be shown
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  attempt([&] { check(parse_prompt(text)); });
  attempt([&] {
    PromptBody body = parse_prompt_body(text);
    if (!body.extra_pnginfo.empty()) parse_ordered_json(body.extra_pnginfo);
    if (body.prompt) check(std::move(*body.prompt));
  });
  return 0;
}
