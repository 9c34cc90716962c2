#include "page/saved_workflow.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <random>

#include "base/error.h"
#include "page/group_node.h"
#include "page/resolve_link.h"
#include "page/scope.h"
#include "page/widgets.h"

namespace easel::page {
namespace {

constexpr int kMaxDepth = 100;            // subgraphs within subgraphs
constexpr size_t kMaxSteps = 20'000'000;  // about a second

// Nodes whose file name may name other widgets and the date.
bool saves_files(const std::string& type) {
  static constexpr std::array<std::string_view, 17> kTypes = {
      "SaveImage",    "SaveSVGNode",   "SaveVideo",  "SaveAnimatedWEBP",  "SaveWEBM",         "SaveAudio",
      "SaveAudioMP3", "SaveAudioOpus", "SaveGLB",    "SaveAnimatedPNG",   "CLIPSave",         "VAESave",
      "ModelSave",    "LoraSave",      "SaveLatent", "SaveImageAdvanced", "SaveAudioAdvanced"};
  return std::ranges::find(kTypes, type) != kTypes.end();
}

Pick by_chance() {
  auto random = std::make_shared<std::minstd_rand>(std::random_device()());
  return [random](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(*random); };
}

// As a prompt has it: a list would be taken for a link.
Json as_constant(Json value) { return value.is_array() ? Json{{"__value__", std::move(value)}} : value; }

class Conversion {
 public:
  Conversion(const Registry& registry, const ConvertOptions& options)
      : registry_(registry), options_(options), pick_(options.pick ? options.pick : by_chance()) {}

  Prompt run(const Json& json) {
    SavedWorkflow workflow = read_workflow(json);
    expand_groups(workflow, registry_, budget_);
    root_.graph = &workflow.root;
    place(root_, 0);
    convert(root_);
    bind_links();
    return std::move(prompt_);
  }

 private:
  // One scope for each instance that runs, depth first.
  void place(Scope& scope, int depth) {
    if (depth > kMaxDepth)
      fail("workflow: subgraphs are nested deeper than {}, perhaps one contains itself", kMaxDepth);
    placed_ += scope.graph->nodes.size();
    values_ += scope.graph->inputs.size();
    for (const SavedNode& node : scope.graph->nodes) values_ += node.inputs.size() + node.widgets_values.size();
    if (placed_ > options_.max_nodes || values_ > PromptLimits().values)
      fail("workflow: once its subgraphs are expanded, more than {} nodes or {} values, which is all that is allowed",
           options_.max_nodes, PromptLimits().values);
    for (const SavedNode& node : scope.graph->nodes) {
      if (!node.inside || node.mode != Mode::kRuns) continue;
      auto& inner = scope.inner[node.id];
      if (inner) continue;  // an id that comes twice
      inner = std::make_unique<Scope>();
      inner->graph = node.inside;
      inner->outer = &scope;
      inner->host = &node;
      inner->prefix = scope.id_of(node) + ":";
      read_host_values(*inner, widgets_, budget_);
      place(*inner, depth + 1);
    }
  }

  void convert(const Scope& scope) {
    const auto& nodes = scope.graph->nodes;
    std::vector<size_t> order(nodes.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [&](size_t i) { return nodes[i].order; });
    for (const size_t i : order) {
      const SavedNode& node = nodes[i];
      if (node.mode != Mode::kRuns) continue;
      if (const auto inner = scope.inner.find(node.id); inner != scope.inner.end()) {
        if (inner->second->host == &node) convert(*inner->second);
      } else if (!is_virtual(node)) {
        add_node(scope, node);
      }
    }
  }

  void add_node(const Scope& scope, const SavedNode& node) {
    const Node* declared = registry_.find(node.type);
    PromptNode out{.id = scope.id_of(node), .class_type = node.type};
    if (declared) add_widgets(scope, node, *declared, out);
    std::map<std::string, size_t> places;  // of the inputs by name
    for (size_t i = 0; i < out.inputs.size(); ++i) places[out.inputs[i].name] = i;
    for (const SavedSlot& input : node.inputs) {
      if (input.links.empty() || (declared && !input.widget.empty() && !places.contains(input.widget))) continue;
      Source source = resolve_input(scope, node, input, budget_);
      if (std::holds_alternative<std::monostate>(source)) continue;
      const auto [place, is_new] = places.try_emplace(input.name, out.inputs.size());
      if (is_new) out.inputs.push_back({.name = input.name});
      if (auto* link = std::get_if<Link>(&source))
        out.inputs[place->second].value = std::move(*link);
      else
        out.inputs[place->second].value = as_constant(std::get<Json>(std::move(source)));
    }
    const std::string title = !node.title.empty()                    ? node.title
                              : declared && !declared->title.empty() ? declared->title
                                                                     : node.type;
    out.others["_meta"] = {{"title", title}};
    if (!prompt_.index.try_emplace(out.id, prompt_.nodes.size()).second)
      fail("workflow: two nodes have the id '{}'", out.id);
    prompt_.nodes.push_back(std::move(out));
  }

  void add_widgets(const Scope& scope, const SavedNode& node, const Node& declared, PromptNode& out) {
    for (auto& [input, value] : widget_values(declared, node.widgets_values, options_.choices)) {
      if (const Json* said = scope.said_of_widget(node.id, input->name)) value = *said;
      for (const SavedSlot& slot : node.inputs)
        if (slot.name == input->name || slot.widget == input->name)
          if (const SavedNode* primitive = primitive_of(scope, slot))
            if (const Json* given = primitive_value(scope, *primitive)) value = *given;
      if (value.is_string()) value = finished_text(*input, node, value.get<std::string>());
      out.inputs.push_back({input->name, as_constant(std::move(value))});
    }
  }

  std::string finished_text(const Input& input, const SavedNode& node, std::string text) {
    if (input.options.value("dynamicPrompts", OrderedJson(false)) == true) return choose_alternatives(text, pick_);
    if (input.name != "filename_prefix" || !saves_files(node.type)) return text;
    const std::time_t now = std::time(nullptr);
    std::tm local;
    localtime_r(&now, &local);
    return fill_in(text, local, [this](const std::string& name, const std::string& widget) {
      return widget_text(root_, name, widget);
    });
  }

  // The value of a widget, of the node that calls itself so (its title, or a property made for this).
  std::optional<std::string> widget_text(const Scope& scope, const std::string& name, const std::string& widget) {
    constexpr const char* kAlias = "Node name for S&R";
    for (const bool by_alias : {true, false}) {
      for (const SavedNode& node : scope.graph->nodes) {
        budget_.spend(1);
        const auto alias = node.properties.find(kAlias);
        const bool is_called =
            by_alias ? (alias == node.properties.end() ? node.type == name : *alias == name) : node.title == name;
        if (!is_called) continue;
        const Node* declared = registry_.find(node.type);
        if (!declared) return std::nullopt;
        for (const auto& [input, value] : widget_values(*declared, node.widgets_values, options_.choices))
          if (input->name == widget) return value.is_string() ? value.get<std::string>() : value.dump();
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  // Links to what is not part of the prompt fall away.
  void bind_links() {
    for (PromptNode& node : prompt_.nodes)
      std::erase_if(node.inputs, [&](PromptInput& input) {
        auto* link = std::get_if<Link>(&input.value);
        if (link) link->source = prompt_.find(link->node);
        return link && link->source == Prompt::kNone;
      });
  }

  const Registry& registry_;
  const ConvertOptions& options_;
  const Pick pick_;
  Scope root_;
  Prompt prompt_;
  Budget budget_{kMaxSteps};
  InputWidgets widgets_{registry_, budget_};
  size_t placed_ = 0, values_ = 0;
};

}  // namespace

bool is_saved_workflow(const Json& json) {
  return json.is_object() && json.contains("nodes") && json["nodes"].is_array();
}

Prompt convert_workflow(const Json& workflow, const Registry& registry, const ConvertOptions& options) {
  return Conversion(registry, options).run(workflow);
}

}  // namespace easel::page
