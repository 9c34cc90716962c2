#include "wire/report.h"

#include <chrono>

namespace easel::wire {
namespace {

int64_t now() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

void Report::on_start() { send_(ExecutionStart{prompt_id_, now()}); }

void Report::on_cached(const std::vector<std::string>& nodes) { send_(ExecutionCached{prompt_id_, nodes, now()}); }

void Report::on_executing(const std::string& node, const std::string& display_node) {
  send_(Executing{prompt_id_, node, display_node});
}

void Report::on_progress(const std::string& node, int64_t value, int64_t max) {
  send_(Progress{prompt_id_, node, value, max});
}

void Report::on_progress_state(const NodeProgress& changed) { send_(ProgressState{prompt_id_, {changed}}); }

void Report::on_preview(const NodeIds& node, easel::Preview preview) {
  send_(Preview{.prompt_id = prompt_id_,
                .node = node.node,
                .display_node = node.display,
                .real_node = node.real,
                .parent_node = node.parent,
                .mime = std::move(preview.mime),
                .bytes = std::move(preview.bytes)});
}

void Report::on_text(const std::string& node, const std::string& text) { send_(Text{prompt_id_, node, text}); }

void Report::on_executed(const std::string& node, const std::string& display_node, const OrderedJson& ui) {
  send_(Executed{prompt_id_, node, display_node, ui});
}

void Report::on_blocked(const std::string& node, const std::string& type, const std::vector<std::string>& executed,
                        const std::string& message) {
  send_(ExecutionBlocked{prompt_id_, node, type, executed, message});
}

void Report::on_success() { send_(ExecutionSuccess{prompt_id_, now()}); }

void Report::on_error(const ExecutionFailure& failure) {
  send_(ExecutionError{.prompt_id = prompt_id_,
                       .node_id = failure.node_id,
                       .node_type = failure.node_type,
                       .executed = failure.executed,
                       .exception_message = failure.message,
                       .exception_type = failure.type,
                       .traceback = failure.traceback,
                       .current_inputs = failure.current_inputs,
                       .current_outputs = failure.current_outputs,
                       .timestamp = now()});
}

void Report::on_interrupted(const std::string& node, const std::string& type,
                            const std::vector<std::string>& executed) {
  send_(ExecutionInterrupted{prompt_id_, node, type, executed, now()});
}

}  // namespace easel::wire
