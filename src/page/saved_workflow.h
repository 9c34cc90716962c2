// A workflow saved by the page becomes the prompt that the page itself would queue: subgraphs and group nodes expanded,
// reroutes and primitives resolved, muted nodes left out, bypassed ones passed through, widgets named.
#pragma once
#include "graph/describe.h"
#include "graph/node.h"
#include "graph/prompt.h"
#include "page/dynamic_text.h"

namespace easel::page {

// Told from a prompt by its list of nodes.
bool is_saved_workflow(const Json& json);

struct ConvertOptions {
  Choices choices;                          // files for the widgets that a saved node says nothing about; may be empty
  Pick pick;                                // of {a|b}; empty: by chance
  size_t max_nodes = PromptLimits().nodes;  // after subgraphs are expanded
};

// Throws Error on what is no workflow, subgraphs that contain themselves, links that go in a circle without a node, or
// more nodes than allowed. A node of a type that the registry does not have comes out with its links only, and
// validation then names it. Time grows with the nodes and the lengths of chains of reroutes.
Prompt convert_workflow(const Json& workflow, const Registry& registry, const ConvertOptions& options = {});

}  // namespace easel::page
