// Sends what happens to a prompt to the server. Used by serve.cpp only.
#pragma once
#include <functional>

#include "graph/listener.h"
#include "wire/messages.h"

namespace easel::wire {

class Report : public Listener {
 public:
  using Send = std::function<void(const Message&)>;
  Report(std::string prompt_id, Send send) : prompt_id_(std::move(prompt_id)), send_(std::move(send)) {}

  void on_start() override;
  void on_cached(const std::vector<std::string>& nodes) override;
  void on_executing(const std::string& node, const std::string& display_node) override;
  void on_progress(const std::string& node, int64_t value, int64_t max) override;
  void on_progress_state(const NodeProgress& changed) override;
  void on_preview(const NodeIds& node, easel::Preview preview) override;
  void on_text(const std::string& node, const std::string& text) override;
  void on_executed(const std::string& node, const std::string& display_node, const OrderedJson& ui) override;
  void on_blocked(const std::string& node, const std::string& type, const std::vector<std::string>& executed,
                  const std::string& message) override;
  void on_success() override;
  void on_error(const ExecutionFailure& failure) override;
  void on_interrupted(const std::string& node, const std::string& type,
                      const std::vector<std::string>& executed) override;

 private:
  const std::string prompt_id_;
  const Send send_;
};

}  // namespace easel::wire
