#include "formats/torch_tree.h"

#include <array>

#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"

namespace easel::pickle {
namespace {

constexpr size_t kMaxEntries = 2'000'000, kMaxDepth = 32, kMaxName = 4096;

std::string full_name(const Global& global) { return fmt::format("{}.{}", global.module, global.name); }

const Dict* member(const Unpickler& pickle, const Dict& dict, std::string_view key, Id& found) {
  for (const auto& [name, value] : dict.entries) {
    const auto* text = pickle.get<Text>(name);
    if (!text || text->text != key) continue;
    found = value;
    if (const auto* inner = pickle.get<Dict>(value)) return inner;
  }
  return nullptr;
}

// The dict that ComfyUI would take for the weights: "state_dict", the only member, or the name upscalers give it.
Id lift(const Unpickler& pickle, Id root, bool& lifted) {
  const auto* dict = pickle.get<Dict>(root);
  Id found = root;
  lifted = true;
  if (dict && member(pickle, *dict, "state_dict", found)) return found;
  if (dict && dict->entries.size() == 1) {
    const auto* key = pickle.get<Text>(dict->entries[0].first);
    if (key && key->text != "string_to_param" && pickle.get<Dict>(dict->entries[0].second))
      return dict->entries[0].second;
  }
  for (const std::string_view key : {"params_ema", "params", "model"}) {
    if (dict && member(pickle, *dict, key, found)) return found;
  }
  lifted = false;
  return root;
}

class Flattener {
 public:
  Flattener(const Unpickler& pickle, const std::string& name) : pickle_(pickle), name_(name) {}

  void visit(const std::string& path, Id id, size_t depth) {
    if (++visited_ > kMaxEntries || depth > kMaxDepth) {
      fail("load_pickle: '{}': its objects are nested too deep or repeat too often", name_);
    }
    const Value& value = pickle_[id];
    if (const auto* dict = std::get_if<Dict>(&value)) {
      for (const auto& [key, item] : dict->entries) visit_member(path, key, item, depth);
    } else if (const auto* list = std::get_if<List>(&value)) {
      visit_items(path, list->items, depth);
    } else if (const auto* tuple = std::get_if<Tuple>(&value)) {
      visit_items(path, tuple->items, depth);
    } else if (const auto* opaque = std::get_if<Opaque>(&value)) {
      visit_opaque(path, *opaque, depth);
    } else if (std::holds_alternative<Tensor>(value)) {
      tree.tensors.try_emplace(path.empty() ? "tensor" : path, id);
    } else if (!std::holds_alternative<Global>(value) && !std::holds_alternative<Storage>(value)) {
      tree.plain.try_emplace(path, id);
    }
  }

  Tree tree;

 private:
  void visit_member(const std::string& path, Id key, Id item, size_t depth) {
    std::string name;
    if (const auto* text = pickle_.get<Text>(key)) name = text->text;
    if (const auto* number = pickle_.get<int64_t>(key)) name = std::to_string(*number);
    if (!is_utf8(name)) return;
    if (path.size() + name.size() > kMaxName) fail("load_pickle: '{}': a tensor's name is too long", name_);
    visit(path.empty() ? name : path + "." + name, item, depth + 1);
  }

  void visit_items(const std::string& path, const std::vector<Id>& items, size_t depth) {
    for (size_t i = 0; i < items.size(); ++i) {
      visit(path.empty() ? std::to_string(i) : path + "." + std::to_string(i), items[i], depth + 1);
    }
  }

  // A ParameterDict (old textual inversions) keeps its tensors in its state.
  void visit_opaque(const std::string& path, const Opaque& opaque, size_t depth) {
    const std::string type = full_name(opaque.type);
    const auto* state =
        opaque.state && type == "torch.nn.modules.container.ParameterDict" ? pickle_.get<Dict>(*opaque.state) : nullptr;
    Id parameters = 0;
    if (state && member(pickle_, *state, "_parameters", parameters)) {
      visit(path, parameters, depth + 1);
    } else {
      tree.opaque.try_emplace(path, type);
    }
  }

  const Unpickler& pickle_;
  const std::string& name_;
  size_t visited_ = 0;
};

}  // namespace

Tree flatten(const Unpickler& pickle, Id root, const std::string& name) {
  bool lifted = false;
  Flattener flattener(pickle, name);
  flattener.visit("", lift(pickle, root, lifted), 0);
  const Tree& tree = flattener.tree;
  if (!tree.opaque.empty()) {
    const auto& [path, type] = *tree.opaque.begin();
    if (lifted || tree.tensors.empty()) {
      fail(
          "load_pickle: '{}': unsupported global '{}'{}: a model file must hold only tensors; save its state_dict "
          "alone",
          name, type, path.empty() ? "" : " at '" + path + "'");
    }
    log::warn("load_pickle: '{}': {} objects beside the tensors are ignored ('{}' is a {})", name, tree.opaque.size(),
              path, type);
  }
  if (tree.tensors.empty()) fail("load_pickle: '{}' holds no tensors", name);
  return std::move(flattener.tree);
}

}  // namespace easel::pickle
