#include "graph/dynamic_prompt.h"

#include <mutex>

#include "base/error.h"

namespace easel {
namespace {
constexpr size_t kMostNodes = 500'000;  // of one prompt, however it grows
}

PromptNode& DynamicPrompt::node(size_t index) {
  return is_ephemeral(index) ? made_[index - original_.nodes.size()].node : original_.nodes[index];
}

size_t DynamicPrompt::find(std::string_view id) const {
  const auto found = made_index_.find(id);
  return found == made_index_.end() ? original_.find(id) : found->second;
}

const PromptNode* DynamicPrompt::find_node(const std::string& id) const {
  std::shared_lock lock(growing_);
  const size_t index = find(id);
  return index == Prompt::kNone ? nullptr : &node(index);
}

size_t DynamicPrompt::real(size_t index) const {
  return is_ephemeral(index) ? made_[index - original_.nodes.size()].real : index;
}

NodeIds DynamicPrompt::ids(size_t index) const {
  const std::string& id = node(index).id;
  if (!is_ephemeral(index)) return {id, id, id, std::nullopt};
  const Made& made = made_[index - original_.nodes.size()];
  return {id, made.display, node(made.real).id, node(made.parent).id};
}

// The display id of the node it names, or that of its parent.
std::string DynamicPrompt::display_of(const PromptNode& node, size_t parent) const {
  const auto wish = node.others.find("override_display_id");
  if (wish == node.others.end() || !wish->is_string()) return ids(parent).display;
  const std::string& id = wish->get_ref<const std::string&>();
  const size_t shown = find(id);
  return shown == Prompt::kNone ? id : ids(shown).display;
}

size_t DynamicPrompt::add(std::vector<PromptNode> nodes, size_t parent) {
  const size_t first = size();
  if (nodes.size() > kMostNodes - std::min(kMostNodes, first))
    fail("node {} expands the prompt beyond {} nodes; perhaps a loop does not end", node(parent).id, kMostNodes);
  std::map<std::string, size_t, std::less<>> index;
  for (const PromptNode& added : nodes)
    if (find(added.id) != Prompt::kNone || !index.emplace(added.id, first + index.size()).second)
      fail("node {} expands into a second node with the id '{}'", node(parent).id, added.id);

  std::vector<std::string> display;
  for (PromptNode& added : nodes) {
    display.push_back(display_of(added, parent));
    for (PromptInput& input : added.inputs) {
      Link* link = std::get_if<Link>(&input.value);
      if (!link) continue;
      const auto beside = index.find(link->node);
      const size_t source = beside == index.end() ? find(link->node) : beside->second;
      link->source = source == Prompt::kNone ? Link::kMissing : source;
    }
  }
  std::unique_lock lock(growing_);
  made_index_.merge(index);
  for (size_t i = 0; i < nodes.size(); ++i)
    made_.push_back({std::move(nodes[i]), parent, real(parent), std::move(display[i])});
  return first;
}

}  // namespace easel
