// Runs workflows of the API format through validation and the executor, as the worker does.
#pragma once
#include "folders/listing.h"
#include "folders/resolve.h"
#include "graph/execute.h"
#include "graph/validate.h"
#include "nodes/studio.h"
#include "tensor/aten.h"

namespace easel {

class WorkflowRunner {
 public:
  explicit WorkflowRunner(const Studio& studio) : studio_(studio), executor_(studio.registry) {}

  // The history's `outputs`. Throws Error with what validation or a node said.
  OrderedJson run(const std::string& workflow) {
    const c10::InferenceMode no_gradients;
    Prompt prompt = parse_prompt(workflow);
    const FileQueries files{
        .choices = [this](const FileSource& source) { return choices(source); },
        .exists =
            [this](const FileSource&, const std::string& name) {
              return static_cast<bool>(folders::resolve(studio_.folders.input(), "", name, folders::Want::kFile));
            }};
    const auto valid = validate(prompt, studio_.registry, files);
    if (!valid.ok || !valid.node_errors.empty())
      fail("the workflow is not valid: {} {}", to_json(valid.error).dump(), valid.node_errors.dump());
    Watcher watcher;
    auto result = executor_.run({.prompt = prompt, .outputs = valid.outputs_to_execute, .previews = previews}, watcher);
    seen = std::move(watcher.previews);
    if (result.status != ExecutionResult::Status::kSuccess) fail("{}", watcher.message);
    return result.outputs;
  }

  // Where a file of the outputs lies: {"filename", "subfolder", "type"}.
  std::filesystem::path path(const OrderedJson& item) const {
    return *studio_.folders.directory(item.at("type").get<std::string>()) / item.at("subfolder").get<std::string>() /
           item.at("filename").get<std::string>();
  }

  PreviewSettings previews;   // for the next run
  std::vector<Preview> seen;  // in the last run

 private:
  struct Watcher : Listener {
    std::string message = "interrupted";
    std::vector<Preview> previews;
    void on_preview(const NodeIds&, Preview preview) override { previews.push_back(std::move(preview)); }
    void on_error(const ExecutionFailure& failure) override {
      message = fmt::format("{} ({}): {}", failure.node_type, failure.node_id, failure.message);
    }
  };

  std::vector<std::string> choices(const FileSource& source) const {
    if (source.folder == "input") return folders::list_files(studio_.folders.input());
    auto names = studio_.folders.list(source.folder);
    if (source.kind == "vae") {
      for (auto& tiny : folders::tiny_vaes(studio_.folders.list("vae_approx"))) names.push_back(tiny);
    }
    return names;
  }

  const Studio& studio_;
  Executor executor_;
};

}  // namespace easel
