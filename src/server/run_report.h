// One run of one prompt, told to clients and kept for the history: turns the worker's messages into ComfyUI's events.
// Used by one thread at a time.
#pragma once
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "server/hub.h"
#include "store/store.h"
#include "wire/messages.h"

namespace easel::server {

class RunReport {
 public:
  RunReport(store::Job job, Hub& hub);

  const store::Job& job() const { return job_; }
  const ClientId& client() const { return client_; }
  const std::string& extra_pnginfo() const { return extra_pnginfo_; }  // JSON text, "" for none
  // The client's wish for this prompt (extra_data.preview_method), or "".
  const std::string& preview_method() const { return preview_method_; }

  // Messages of this prompt; others are ignored.
  void take(const wire::Message& message);

  // The history entry at the end.
  store::Result result(const wire::Finished& finished) const;

  // The end without a worker: sends and records execution_error, or execution_interrupted. What nodes have shown by then
  // is kept.
  store::Result failed(const std::string& why);
  store::Result interrupted();
  // The lasting files among what nodes have shown, relative to the output folder.
  std::vector<std::filesystem::path> output_files() const;

  double seconds() const;  // since it was taken from the queue

  // Where it was, in words: "node 3 (KSampler)"; "before its first node".
  std::string place() const;

  // After the history is readable: tells the client that the run is over.
  void say_over();

 private:
  void event(const char* type, OrderedJson data, bool keep);
  void keep(const std::string& type, const std::string& data);
  void send_progress_state(bool now);
  std::string class_of(const std::string& node) const;
  store::Result end(const char* status) const;
  store::Result end_early() const;

  void on(const wire::ExecutionStart& message);
  void on(const wire::ExecutionCached& message);
  void on(const wire::Executing& message);
  void on(const wire::Progress& message);
  void on(const wire::ProgressState& message);
  void on(const wire::Executed& message);
  void on(const wire::Preview& message);
  void on(const wire::Text& message);
  void on(const wire::ExecutionSuccess& message);
  void on(const wire::ExecutionError& message);
  void on(const wire::ExecutionInterrupted& message);
  void on(const wire::ExecutionBlocked& message);

  const store::Job job_;
  Hub& hub_;
  ClientId client_;
  std::string extra_pnginfo_, preview_method_;

  std::string node_;                   // the one that runs
  std::vector<std::string> executed_;  // left behind when it changed
  std::map<std::string, wire::Executed> shown_;
  std::vector<std::string> messages_;  // JSON texts: ["execution_start", {…}]

  std::vector<std::string> progress_;  // JSON text of each node's progress, "id": {…}
  std::map<std::string, size_t> progress_index_;
  size_t progress_bytes_ = 0;
  bool progress_dirty_ = false;
  std::chrono::steady_clock::time_point progress_sent_, begun_ = std::chrono::steady_clock::now();
};

int64_t now_ms();  // since 1970

}  // namespace easel::server
