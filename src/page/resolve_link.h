// Where the value of an input comes from, once everything that only stands between is passed: reroutes, bypassed nodes,
// the walls of subgraphs.
#pragma once
#include <optional>
#include <string>
#include <variant>

#include "graph/node.h"
#include "graph/prompt.h"
#include "page/scope.h"

namespace easel::page {

bool is_virtual(const SavedNode& node);  // the page's own, never part of a prompt: Reroute, PrimitiveNode, Note, …

// Nothing, a link to a node of the prompt, or a value that a subgraph's host shows.
using Source = std::variant<std::monostate, Link, Json>;
Source resolve_input(const Scope& scope, const SavedNode& node, const SavedSlot& input, Budget& budget);

// The primitive that an input is linked to directly, or null.
const SavedNode* primitive_of(const Scope& scope, const SavedSlot& input);
// What a primitive holds, or a host says in its place; null if nothing.
const Json* primitive_value(const Scope& scope, const SavedNode& primitive);

}  // namespace easel::page
