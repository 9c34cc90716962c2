// The saved graphs in place: the root, and one scope for each instance of a subgraph, each knowing what holds it and
// what that says for the widgets inside.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/node.h"
#include "page/saved_graph.h"

namespace easel::page {

struct Scope {
  const SavedGraph* graph = nullptr;
  const Scope* outer = nullptr;                         // null for the root
  const SavedNode* host = nullptr;                      // the instance in `outer`
  std::string prefix;                                   // of its nodes' ids: "5:12:"
  std::map<std::string, std::unique_ptr<Scope>> inner;  // by the host's id

  // Values the host shows for what is inside: of a subgraph's input (by its number), of a node's widget.
  std::map<size_t, Json> input_values;
  std::map<std::pair<std::string, std::string>, Json> widget_values;

  std::string id_of(const SavedNode& node) const { return prefix + node.id; }

  // What hosts say for a widget of a node in here, or for one of this subgraph's inputs; the outermost has the last
  // word. Null: nothing, the node's own value counts.
  const Json* said_of_widget(const std::string& node, const std::string& widget) const;
  const Json* said_of_input(size_t number) const;

  // The host's socket for one of this subgraph's inputs; null if it has none.
  const SavedSlot* host_socket(size_t number) const;
};

// The widgets behind the inputs of subgraphs: for each input the name of the widget that it leads to, perhaps through
// subgraphs inside, or "" if it is a socket. Found once for each subgraph, however often it is used.
class InputWidgets {
 public:
  InputWidgets(const Registry& registry, Budget& budget) : registry_(registry), budget_(budget) {}
  const std::vector<std::string>& of(const SavedGraph& graph);

 private:
  std::string find(const SavedGraph& graph, const SavedSlot& input);

  const Registry& registry_;
  Budget& budget_;
  std::map<const SavedGraph*, std::vector<std::string>> known_;
};

// Reads the host's widgets_values (and its proxyWidgets, where an older page put the names) into the two maps.
void read_host_values(Scope& scope, InputWidgets& widgets, Budget& budget);

// The widget that an input of a node is, or "" if it is a socket: by the saved mark, or by the node's declaration.
std::string widget_of(const SavedNode& node, const SavedSlot& input, const Registry& registry);

}  // namespace easel::page
