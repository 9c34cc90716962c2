// A workflow as the page saves it (format 0.4: links are lists; 1.0: links are objects), read into plain structs.
// Nothing here knows what a node type means.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace easel::page {

// Ids of links and nodes are kept as text: the page writes numbers, other tools words.
inline constexpr const char* kSubgraphInput = "-10";  // the node that links from a subgraph's inputs come from

struct SavedSlot {
  std::string name, type;
  std::string widget;              // the widget that an input stands for, or ""
  std::vector<std::string> links;  // of an input of a node at most one
};

struct SavedLink {
  std::string origin, target;
  size_t origin_slot = 0, target_slot = 0;
};

// What may be spent on one workflow, whatever its shape: one for each thing looked at.
class Budget {
 public:
  explicit Budget(size_t steps) : left_(steps) {}
  void spend(size_t steps);  // Error when nothing is left

 private:
  size_t left_;
};

enum class Mode { kRuns, kMuted, kBypassed };

struct SavedGraph;

struct SavedNode {
  std::string id, type, title;
  Mode mode = Mode::kRuns;
  double order = 0;  // in which the page would run them
  std::vector<SavedSlot> inputs, outputs;
  Json widgets_values;                 // a list, or an object by name
  Json properties;                     // an object
  const SavedGraph* inside = nullptr;  // of an instance of a subgraph or a group: what it holds

  const SavedSlot* input(std::string_view name) const;
};

struct SavedGraph {
  std::vector<SavedNode> nodes;
  std::map<std::string, size_t> index;  // by id
  std::map<std::string, SavedLink> links;
  std::vector<SavedSlot> inputs, outputs;  // of a subgraph

  const SavedNode* node(const std::string& id) const;
  const SavedLink* link(const std::string& id) const;
};

struct SavedWorkflow {
  SavedGraph root;
  std::map<std::string, std::unique_ptr<SavedGraph>> subgraphs;  // by id
  Json groups = Json::object();                                  // extra.groupNodes: definitions by name
};

// Throws Error when the shape is another one. Subgraph instances point to their subgraph; group nodes to nothing yet.
SavedWorkflow read_workflow(const Json& workflow);

// Parts of the above, for definitions that lie elsewhere.
SavedNode read_node(const Json& node);
std::string text_of_id(const Json& id);  // 7 -> "7", "7" -> "7", null -> ""

}  // namespace easel::page
