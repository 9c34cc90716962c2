// easel run: a workflow through a worker, without a server.
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

#include "app/commands.h"
#include "app/program.h"
#include "app/session.h"
#include "base/error.h"
#include "base/log.h"
#include "folders/output.h"
#include "graph/prompt.h"
#include "page/saved_workflow.h"
#include "server/catalog.h"
#include "server/users.h"
#include "server/uuid.h"

namespace easel::app {
namespace {

std::string read_workflow(const std::string& name) {
  if (name == "-") {
    std::ostringstream text;
    text << std::cin.rdbuf();
    return std::move(text).str();
  }
  const auto text = server::read_text(name);
  if (!text) fail("easel run: '{}' cannot be read", name);
  return *text;
}

struct Workflow {
  Prompt prompt;
  std::string extra_pnginfo;  // goes into pictures: the page's own form, if it came in that
};

// The API form, or a workflow as the page saves it.
Workflow parse_workflow(const std::string& name, const server::Catalog& catalog) {
  const std::string text = read_workflow(name);
  const Json whole = parse_json(text);
  if (page::is_saved_workflow(whole))
    return {page::convert_workflow(whole, catalog.registry(), {.choices = catalog.files().choices}),
            Json{{"workflow", whole}}.dump()};
  // Some tools save the whole body of POST /prompt.
  if (whole.is_object() && whole.contains("prompt") && whole["prompt"].is_object() &&
      !whole["prompt"].contains("class_type"))
    return {parse_prompt(whole["prompt"].dump()), ""};
  return {parse_prompt(text), ""};
}

// The node with this id, or else with this title.
PromptNode& find_node(Prompt& prompt, const std::string& name) {
  if (const size_t place = prompt.find(name); place != Prompt::kNone) return prompt.nodes[place];
  for (PromptNode& node : prompt.nodes)
    if (node.others.contains("_meta") && node.others["_meta"].is_object() &&
        node.others["_meta"].value("title", Json()) == name)
      return node;
  fail("--set: there is no node with the id or title '{}'", name);
}

// NODE.INPUT=VALUE. The value is JSON where it is JSON ("7", "true", "\"7\""), else text.
void change_input(Prompt& prompt, const std::string& change) {
  const size_t equals = change.find('='), dot = change.rfind('.', equals);
  if (equals == std::string::npos || dot == std::string::npos)
    fail("--set: '{}' came, NODE.INPUT=VALUE was wanted", change);
  PromptNode& node = find_node(prompt, change.substr(0, dot));
  const std::string name = change.substr(dot + 1, equals - dot - 1), text = change.substr(equals + 1);
  PromptInput* input = node.input(name);
  if (!input) fail("--set: node '{}' has no input '{}'", node.id, name);
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded() || value.is_structured()) value = text;
  input->value = std::move(value);
}

void print_errors(const ValidationResult& checked) {
  log::error("{}{}{}", checked.error.message, checked.error.details.empty() ? "" : ": ", checked.error.details);
  for (const auto& [id, node] : checked.node_errors.items())
    for (const auto& error : node["errors"])
      log::error("  node {} ({}): {}: {}", id, node["class_type"].get<std::string>(),
                 error["message"].get<std::string>(), error["details"].get<std::string>());
}

// One line on stderr, drawn over itself; on no terminal, a line for each node.
class ProgressBar {
 public:
  void node(const std::string& label) {
    clear();
    label_ = label;
    if (terminal_)
      draw(0, 1);
    else
      std::fprintf(stderr, "%s\n", label.c_str());
  }
  void draw(int64_t value, int64_t max) {
    if (!terminal_ || max <= 0) return;
    constexpr int kWidth = 30;
    const int filled = static_cast<int>(kWidth * value / max);
    std::fprintf(stderr, "\r\033[K%-28.28s [%s%s] %ld/%ld", label_.c_str(), std::string(filled, '#').c_str(),
                 std::string(kWidth - filled, ' ').c_str(), static_cast<long>(value), static_cast<long>(max));
    drawn_ = true;
  }
  void clear() {
    if (drawn_) std::fprintf(stderr, "\r\033[K");
    drawn_ = false;
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) == 1;
  std::string label_;
  bool drawn_ = false;
};

void print_outputs(const wire::Finished& finished, const Folders& folders) {
  for (const auto& [node, ui] : finished.outputs.items()) {
    for (const auto& [key, items] : ui.items()) {
      for (const auto& item : items) {
        if (item.is_string()) {
          std::printf("%s\n", item.get<std::string>().c_str());
        } else if (item.is_object() && item.contains("filename")) {
          const auto* root = folders.directory(item.value("type", "output"));
          const auto path =
              (root ? *root : folders.output()) / item.value("subfolder", "") / item.value("filename", "");
          std::printf("%s\n", path.c_str());
        }
      }
    }
  }
}

// Until the prompt is finished; the exit status.
int follow(WorkerSession& worker, const Prompt& prompt, const Folders& folders) {
  ProgressBar bar;
  for (;;) {
    const wire::Message message = worker.receive();
    if (const auto* executing = std::get_if<wire::Executing>(&message)) {
      const size_t place = prompt.find(executing->display_node);
      const bool known = place != Prompt::kNone && prompt.nodes[place].class_type;
      bar.node(known ? *prompt.nodes[place].class_type : executing->node);
    } else if (const auto* progress = std::get_if<wire::Progress>(&message)) {
      bar.draw(progress->value, progress->max);
    } else if (const auto* error = std::get_if<wire::ExecutionError>(&message)) {
      bar.clear();
      log::error("node {} ({}): {}", error->node_id, error->node_type, error->exception_message);
    } else if (const auto* finished = std::get_if<wire::Finished>(&message)) {
      bar.clear();
      print_outputs(*finished, folders);
      return finished->status == "success" ? 0 : 1;
    }
  }
}

}  // namespace

int run(const Flags& flags, const std::string& worker, const RunRequest& request) {
  FolderOptions options = flags.folders();
  auto command = worker_command(flags, worker);
  if (!request.output.empty()) {
    options.output = std::filesystem::absolute(request.output);
    command.insert(command.end(), {"--output-directory", options.output.string()});
  }
  if (!request.output.empty() && flags.has("--output-directory"))
    fail("easel run: --output and --output-directory exclude each other");
  const Folders folders(options);

  const server::Catalog catalog(load_nodes(flags, worker), folders);
  auto [prompt, extra_pnginfo] = parse_workflow(request.workflow, catalog);
  for (const std::string& change : request.changes) change_input(prompt, change);
  std::optional<WorkerSession> session;
  const auto checks = [&](const std::vector<CheckQuestion>& questions) {
    return session.emplace(command).check(questions);
  };
  const ValidationResult checked = validate(prompt, catalog.registry(), catalog.files(), std::nullopt, checks);
  if (!checked.ok || !checked.node_errors.empty()) print_errors(checked);
  if (!checked.ok) return 1;

  if (!session) session.emplace(command);
  wire::Run run;
  run.prompt_id = server::make_uuid();
  run.prompt = prompt_to_json(prompt);
  run.outputs = checked.outputs_to_execute;
  run.extra_pnginfo = std::move(extra_pnginfo);
  run.preview_size = flags.integer("--preview-size", 512);
  session->send(run);
  return follow(*session, prompt, folders);
}

}  // namespace easel::app
