// What a node needs to run outside the engine: a context that records, and all nodes over a scratch folder.
#pragma once
#include <unistd.h>

#include <filesystem>

#include "folders/folders.h"
#include "graph/node.h"
#include "nodes/all.h"
#include "nodes/model_cache.h"

namespace easel {

class RecordingContext : public Context {
 public:
  const std::string& node_id() const override { return id; }
  const std::string& prompt_json() const override { return prompt; }
  const OrderedJson& extra_pnginfo() const override { return extra; }
  void progress(int64_t value, int64_t max, const std::function<Preview()>& preview) override {
    steps.emplace_back(value, max);
    if (preview) made.push_back(preview());
  }
  const PreviewSettings& previews() const override { return settings; }
  void check_interrupt() override {}
  void text(const std::string&) override {}

  std::string id = "1", prompt = "{}";
  OrderedJson extra = OrderedJson::object();
  PreviewSettings settings;
  std::vector<std::pair<int64_t, int64_t>> steps;
  std::vector<Preview> made;
};

// All nodes over an empty base folder that goes away with it.
struct Studio {
  explicit Studio(const LoadOptions& load = {})
      : base(std::filesystem::temp_directory_path() /
             fmt::format("easel_nodes_{}_{}", getpid(), reinterpret_cast<uintptr_t>(this))),
        folders(make_base()),
        models(load) {
    add_all_nodes(registry, {.folders = folders, .models = models});
  }
  ~Studio() { std::filesystem::remove_all(base); }

  const Node& node(const std::string& id) const {
    const Node* found = registry.find(id);
    if (!found) fail("there is no node '{}'", id);
    return *found;
  }

  // Runs a node; `arguments` in declared order, an empty Value for what is not connected.
  Returned run(const std::string& id, const std::vector<Value>& arguments) {
    std::vector<Argument> boxed;
    for (const Value& value : arguments) boxed.push_back(value.empty() ? Argument{} : Argument{value});
    return node(id).run(context, boxed);
  }
  template <class T>
  T run_for(const std::string& id, const std::vector<Value>& arguments, size_t slot = 0) {
    return Port<T>::from(run(id, arguments).slots.at(slot).at(0));
  }

  std::filesystem::path base;
  Folders folders;
  ModelCache models;
  Registry registry;
  RecordingContext context;

 private:
  FolderOptions make_base() const {
    for (const char* name : {"input", "output", "temp", "models/checkpoints"})
      std::filesystem::create_directories(base / name);
    return {.base = base};
  }
};

}  // namespace easel
