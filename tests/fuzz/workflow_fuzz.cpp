// A workflow as the page saves it, through conversion: an Error at most, and what comes out is a prompt that reads
// back.
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "graph/prompt.h"
#include "page/saved_workflow.h"
#include "test_worker/test_nodes.h"

using namespace easel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Registry registry = [] {
    Registry made;
    test::add_test_nodes(made);
    test::add_recorded_nodes(made, "/nonexistent", "/nonexistent");
    return made;
  }();
  try {
    const Json json = parse_json({reinterpret_cast<const char*>(data), size}, {.depth = 100, .values = 100'000});
    const std::string text = prompt_to_json(
        page::convert_workflow(json, registry, {.pick = [](size_t n) { return n - 1; }, .max_nodes = 2000}));
    if (prompt_to_json(parse_prompt(text)) != text) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
