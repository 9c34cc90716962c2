// Group nodes, the page's forerunners of subgraphs: a node of type "workflow>Name" whose definition lies in the
// workflow's extra.groupNodes. Each becomes a subgraph of its own, with inner ids "group:0", "group:1", … as the page
// gives them.
#pragma once
#include "graph/node.h"
#include "page/saved_graph.h"

namespace easel::page {

// Gives each group node of the root its inside. A group whose definition is absent stays a node of an unknown type.
void expand_groups(SavedWorkflow& workflow, const Registry& registry, Budget& budget);

}  // namespace easel::page
