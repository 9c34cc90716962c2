// Which of a node's inputs are widgets on the page, and what each holds after a saved node was loaded.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "graph/describe.h"
#include "graph/node.h"

namespace easel::page {

bool is_widget(const Input& input);

// Inputs in the order in which the page lays them out: required ones, then optional ones.
std::vector<const Input*> layout(const Node& node);

// How many entries of a saved list of values an input takes: 0 for a socket; 1 for a widget, and more where the page
// adds widgets of its own behind it ("control after generate", a filter).
size_t values_taken(const Input& input);

struct WidgetValue {
  const Input* input;
  Json value;
};

// saved: widgets_values, a list by place or an object by name; what it lacks has its default. A widget without a value
// and without a default is left out.
std::vector<WidgetValue> widget_values(const Node& node, const Json& saved, const Choices& choices);

}  // namespace easel::page
