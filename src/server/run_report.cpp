#include "server/run_report.h"

#include "base/error.h"
#include "base/log.h"
#include "graph/prompt.h"
#include "server/http.h"

namespace easel::server {
namespace {

// A snapshot above this size is sent at most ten times a second: its making would be quadratic in the prompt's size.
constexpr size_t kLargeSnapshot = 32 * 1024;

std::string dump(const OrderedJson& value) { return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace); }

std::string string_or_null(const std::optional<std::string>& text) { return text ? quote_json(*text) : "null"; }

}  // namespace

int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

RunReport::RunReport(store::Job job, Hub& hub) : job_(std::move(job)), hub_(hub) {
  client_.user = job_.owner;
  try {
    PromptBody body = parse_prompt_body(R"({"extra_data": )" + job_.extra_data + "}");
    extra_pnginfo_ = std::move(body.extra_pnginfo);
    const Json& extra = body.rest.at("extra_data");
    if (extra.contains("client_id"))
      client_.sid = extra["client_id"].is_string() ? extra["client_id"].get<std::string>() : extra["client_id"].dump();
    if (const auto method = extra.find("preview_method"); method != extra.end() && method->is_string())
      preview_method_ = *method;
  } catch (const std::exception&) {
    // Written by us and kept by the store; a damaged one costs the picture its workflow, not the run.
  }
}

void RunReport::take(const wire::Message& message) {
  std::visit(
      [this](const auto& each) {
        if constexpr (requires { this->on(each); })
          if (each.prompt_id == job_.prompt_id) on(each);
      },
      message);
}

void RunReport::keep(const std::string& type, const std::string& data) {
  messages_.push_back(fmt::format("[\"{}\", {}]", type, data));
}

void RunReport::event(const char* type, OrderedJson data, bool keep_it) {
  const std::string text = dump(data);
  if (keep_it) keep(type, text);
  hub_.send(client_, type, text);
}

void RunReport::on(const wire::ExecutionStart& m) {
  event("execution_start", {{"prompt_id", m.prompt_id}, {"timestamp", m.timestamp}}, true);
}

void RunReport::on(const wire::ExecutionCached& m) {
  event("execution_cached", {{"nodes", m.nodes}, {"prompt_id", m.prompt_id}, {"timestamp", m.timestamp}}, true);
}

void RunReport::on(const wire::Executing& m) {
  if (!node_.empty() && node_ != m.node) executed_.push_back(node_);
  node_ = m.node;
  event("executing", {{"node", m.node}, {"display_node", m.display_node}, {"prompt_id", m.prompt_id}}, false);
}

void RunReport::on(const wire::Progress& m) {
  hub_.send_or_broadcast(client_, "progress",
                         fmt::format(R"({{"value": {}, "max": {}, "prompt_id": {}, "node": {}}})", m.value, m.max,
                                     quote_json(m.prompt_id), quote_json(m.node)));
}

void RunReport::on(const wire::ProgressState& m) {
  const std::string prompt_id = quote_json(m.prompt_id);
  for (const wire::NodeProgress& node : m.nodes) {
    const OrderedJson numbers{node.value, node.max};  // as JSON writes them: 1.0, not 1
    std::string text = fmt::format(
        R"({}: {{"value": {}, "max": {}, "state": {}, "node_id": {}, "prompt_id": {}, "display_node_id": {}, )"
        R"("parent_node_id": {}, "real_node_id": {}}})",
        quote_json(node.node_id), numbers[0].dump(), numbers[1].dump(), quote_json(node.state),
        quote_json(node.node_id), prompt_id, quote_json(node.display_node_id), string_or_null(node.parent_node_id),
        quote_json(node.real_node_id));
    const auto [place, is_new] = progress_index_.emplace(node.node_id, progress_.size());
    if (is_new) progress_.emplace_back();
    progress_bytes_ += text.size() - progress_[place->second].size();
    progress_[place->second] = std::move(text);
  }
  progress_dirty_ = true;
  send_progress_state(false);
}

void RunReport::send_progress_state(bool now) {
  const auto time = std::chrono::steady_clock::now();
  if (!progress_dirty_) return;
  if (!now && progress_bytes_ > kLargeSnapshot && time - progress_sent_ < std::chrono::milliseconds(100)) return;
  std::string data = fmt::format(R"({{"prompt_id": {}, "nodes": {{)", quote_json(job_.prompt_id));
  data.reserve(data.size() + progress_bytes_ + 2 * progress_.size());
  for (size_t i = 0; i < progress_.size(); ++i) data += (i ? ", " : "") + progress_[i];
  hub_.send_or_broadcast(client_, "progress_state", data + "}}");
  progress_sent_ = time;
  progress_dirty_ = false;
}

void RunReport::on(const wire::Executed& m) {
  if (m.output.is_object()) shown_.insert_or_assign(m.node, m);
  event("executed",
        {{"node", m.node}, {"display_node", m.display_node}, {"output", m.output}, {"prompt_id", m.prompt_id}}, false);
}

void RunReport::on(const wire::Preview& m) {
  const std::string metadata = fmt::format(
      R"({{"node_id": {}, "prompt_id": {}, "display_node_id": {}, "parent_node_id": {}, "real_node_id": {}, )"
      R"("image_type": {}}})",
      quote_json(m.node), quote_json(m.prompt_id), quote_json(m.display_node), string_or_null(m.parent_node),
      quote_json(m.real_node), quote_json(m.mime));
  hub_.send_preview(client_, metadata, m.mime, m.bytes);
}

void RunReport::on(const wire::Text& m) { hub_.send_text(client_, m.node, m.text); }

void RunReport::on(const wire::ExecutionSuccess& m) {
  send_progress_state(true);
  event("execution_success", {{"prompt_id", m.prompt_id}, {"timestamp", m.timestamp}}, true);
}

void RunReport::on(const wire::ExecutionError& m) {
  send_progress_state(true);
  if (m.node_id.empty())
    log::error("{}", m.exception_message);
  else
    log::error("node {} ({}): {}", m.node_id, m.node_type, m.exception_message);
  event("execution_error",
        {{"prompt_id", m.prompt_id},
         {"node_id", m.node_id},
         {"node_type", m.node_type},
         {"executed", m.executed},
         {"exception_message", m.exception_message},
         {"exception_type", m.exception_type},
         {"traceback", m.traceback},
         {"current_inputs", m.current_inputs},
         {"current_outputs", m.current_outputs},
         {"timestamp", m.timestamp}},
        true);
}

// Everybody's business when the prompt has no owner, unlike the other ends.
void RunReport::on(const wire::ExecutionInterrupted& m) {
  send_progress_state(true);
  const std::string data = dump({{"prompt_id", m.prompt_id},
                                 {"node_id", m.node_id},
                                 {"node_type", m.node_type},
                                 {"executed", m.executed},
                                 {"timestamp", m.timestamp}});
  keep("execution_interrupted", data);
  hub_.send_or_broadcast(client_, "execution_interrupted", data);
}

// An error to look at, though the prompt goes on: it has no time, and the history does not keep it.
void RunReport::on(const wire::ExecutionBlocked& m) {
  event("execution_error",
        {{"prompt_id", m.prompt_id},
         {"node_id", m.node_id},
         {"node_type", m.node_type},
         {"executed", m.executed},
         {"exception_message", "Execution Blocked: " + m.message},
         {"exception_type", "ExecutionBlocked"},
         {"traceback", OrderedJson::array()},
         {"current_inputs", OrderedJson::array()},
         {"current_outputs", OrderedJson::array()}},
        false);
}

store::Result RunReport::end(const char* status) const {
  store::Result result;
  const bool success = std::string_view(status) == "success";
  result.status = fmt::format(R"({{"status_str": "{}", "completed": {}, "messages": [)", status, success);
  for (size_t i = 0; i < messages_.size(); ++i) result.status += (i ? ", " : "") + messages_[i];
  result.status += "]}";
  return result;
}

store::Result RunReport::result(const wire::Finished& finished) const {
  store::Result result = end(finished.status == "success" ? "success" : "error");
  result.outputs = dump(finished.outputs);
  result.meta = dump(finished.meta);
  return result;
}

std::string RunReport::class_of(const std::string& node) const {
  const Json prompt = Json::parse(job_.prompt, nullptr, false);
  if (!prompt.is_object() || !prompt.contains(node) || !prompt[node].is_object()) return "";
  const Json type = prompt[node].value("class_type", Json());
  return type.is_string() ? type.get<std::string>() : "";
}

std::string RunReport::place() const {
  return node_.empty() ? "before its first node" : fmt::format("in node {} ({})", node_, class_of(node_));
}

double RunReport::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
}

store::Result RunReport::failed(const std::string& why) {
  on(wire::ExecutionError{.prompt_id = job_.prompt_id,
                          .node_id = node_,
                          .node_type = class_of(node_),
                          .executed = executed_,
                          .exception_message = why,
                          .exception_type = "WorkerDied",
                          .traceback = {},
                          .current_inputs = OrderedJson::object(),
                          .current_outputs = executed_,
                          .timestamp = now_ms()});
  return end_early();
}

store::Result RunReport::interrupted() {
  on(wire::ExecutionInterrupted{job_.prompt_id, node_, class_of(node_), executed_, now_ms()});
  return end_early();
}

store::Result RunReport::end_early() const {
  OrderedJson::object_t outputs, meta;
  for (const auto& [node, shown] : shown_) {
    outputs.emplace_back(node, shown.output);
    meta.emplace_back(node, OrderedJson{{"node_id", node},
                                        {"display_node", shown.display_node},
                                        {"parent_node", nullptr},
                                        {"real_node_id", node}});
  }
  store::Result result = end("error");
  result.outputs = dump(std::move(outputs));
  result.meta = dump(std::move(meta));
  return result;
}

std::vector<std::filesystem::path> RunReport::output_files() const {
  std::vector<std::filesystem::path> files;
  const auto text = [](const OrderedJson& item, const char* name) {
    const auto found = item.find(name);
    return found != item.end() && found->is_string() ? found->get<std::string>() : "";
  };
  for (const auto& [node, shown] : shown_)
    for (const OrderedJson& list : shown.output)
      for (const OrderedJson& item : list.is_array() ? list : OrderedJson::array())
        if (item.is_object() && text(item, "type") == "output")
          files.push_back(std::filesystem::path(text(item, "subfolder")) / text(item, "filename"));
  return files;
}

void RunReport::say_over() {
  hub_.send_status();
  hub_.send_over(client_, dump({{"node", nullptr}, {"prompt_id", job_.prompt_id}}));
}

}  // namespace easel::server
