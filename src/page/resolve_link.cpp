#include "page/resolve_link.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"

namespace easel::page {
namespace {

std::vector<std::string> types_of(const std::string& text) {
  std::vector<std::string> types;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    std::string type = text.substr(begin, comma - begin);
    std::ranges::transform(type, type.begin(), [](unsigned char c) { return std::tolower(c); });
    types.push_back(std::move(type));
    begin = comma + 1;
  }
  return types;
}

bool any_type(const std::string& type) { return type.empty() || type == "*"; }

bool fits(const std::string& a, const std::string& b) {
  if (any_type(a) || any_type(b) || a == b) return true;
  const auto left = types_of(a), right = types_of(b);
  return std::ranges::any_of(left, [&](const std::string& type) {
    return any_type(type) || std::ranges::find(right, type) != right.end() ||
           std::ranges::find(right, "*") != right.end();
  });
}

// Which input of a bypassed node its output passes on to something of this type; null if none fits.
const SavedSlot* passed_through(const SavedNode& node, size_t output, const std::string& type) {
  const auto& inputs = node.inputs;
  if (inputs.empty()) return nullptr;
  if (any_type(type)) return output < inputs.size() ? &inputs[output] : &inputs[0];
  const std::string given = output < node.outputs.size() ? node.outputs[output].type : "*";
  const auto both = [&](const SavedSlot& input) { return fits(input.type, given) && fits(input.type, type); };
  if (output < inputs.size() && both(inputs[output])) return &inputs[output];
  auto found = std::ranges::find(inputs, type, &SavedSlot::type);
  if (found == inputs.end()) found = std::ranges::find_if(inputs, both);
  return found == inputs.end() ? nullptr : &*found;
}

// Walks from an input against the direction of the links.
class Walk {
 public:
  Walk(const Scope& scope, const SavedNode& node, const SavedSlot& input, Budget& budget)
      : budget_(budget), scope_(&scope), node_(&node), input_(&input), type_(input.type) {}

  Source run() {
    while (!found_) {
      budget_.spend(1);
      input_ ? from_input() : from_output();
    }
    return std::move(*found_);
  }

 private:
  void end(Source source) { found_ = std::move(source); }

  void from_input() {
    const SavedLink* link = input_->links.empty() ? nullptr : scope_->graph->link(input_->links.front());
    if (!link) return end({});
    if (link->origin == kSubgraphInput && scope_->host) return out_of_subgraph(link->origin_slot);
    node_ = scope_->graph->node(link->origin);
    output_ = link->origin_slot;
    input_ = nullptr;
    if (!node_) end({});
  }

  void out_of_subgraph(size_t number) {
    budget_.spend(scope_->host->inputs.size());
    const SavedSlot* socket = scope_->host_socket(number);
    if (!socket || socket->links.empty()) {
      const Json* said = scope_->said_of_input(number);
      return end(said ? Source(*said) : Source());
    }
    node_ = scope_->host;
    scope_ = scope_->outer;
    if (const SavedNode* primitive = primitive_of(*scope_, *socket)) {
      const Json* value = primitive_value(*scope_, *primitive);
      return end(value ? Source(*value) : Source());
    }
    go_to(socket, true);
  }

  void from_output() {
    if (node_->mode == Mode::kMuted) return end({});
    if (node_->mode == Mode::kBypassed) {
      budget_.spend(node_->inputs.size());
      return go_to(passed_through(*node_, output_, type_), true);
    }
    if (node_->inside) return into_subgraph();
    if (!is_virtual(*node_)) return end(Link{.node = scope_->id_of(*node_), .slot = static_cast<int64_t>(output_)});
    if (node_->type == "PrimitiveNode") return end({});
    go_to(output_ < node_->inputs.size() ? &node_->inputs[output_] : nullptr, false);
  }

  void go_to(const SavedSlot* input, bool takes_its_type) {
    if (!input) return end({});
    input_ = input;
    if (takes_its_type) type_ = input->type;
  }

  void into_subgraph() {
    const auto inner = scope_->inner.find(node_->id);
    const SavedGraph& graph = *node_->inside;
    if (inner == scope_->inner.end() || output_ >= graph.outputs.size() || graph.outputs[output_].links.empty())
      return end({});
    const SavedLink* link = graph.link(graph.outputs[output_].links.front());
    if (!link) return end({});
    scope_ = inner->second.get();
    if (link->origin == kSubgraphInput) return out_of_subgraph(link->origin_slot);
    node_ = graph.node(link->origin);
    output_ = link->origin_slot;
    if (!node_) end({});
  }

  Budget& budget_;
  const Scope* scope_;
  const SavedNode* node_;
  const SavedSlot* input_;  // null: stands at the output `output_` of node_
  size_t output_ = 0;
  std::string type_;  // of what is wanted at the end
  std::optional<Source> found_;
};

}  // namespace

bool is_virtual(const SavedNode& node) {
  static constexpr std::array<std::string_view, 4> kTypes = {"Reroute", "PrimitiveNode", "Note", "MarkdownNote"};
  return node.inside || std::ranges::find(kTypes, node.type) != kTypes.end();
}

Source resolve_input(const Scope& scope, const SavedNode& node, const SavedSlot& input, Budget& budget) {
  return Walk(scope, node, input, budget).run();
}

const SavedNode* primitive_of(const Scope& scope, const SavedSlot& input) {
  const SavedLink* link = input.links.empty() ? nullptr : scope.graph->link(input.links.front());
  const SavedNode* origin = link ? scope.graph->node(link->origin) : nullptr;
  return origin && origin->type == "PrimitiveNode" ? origin : nullptr;
}

const Json* primitive_value(const Scope& scope, const SavedNode& primitive) {
  if (const Json* said = scope.said_of_widget(primitive.id, "value")) return said;
  const Json& values = primitive.widgets_values;
  return values.is_array() && !values.empty() ? &values[0] : nullptr;
}

}  // namespace easel::page
