// What server and worker say to each other: plain structs, one variant, and their CBOR form.
// Adding a message: a struct and its name in the variant; messages.cpp says its type and members.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "graph/check.h"
#include "graph/listener.h"

namespace easel::wire {

inline constexpr int64_t kProtocol = 1;

// ---- server to worker ------------------------------------------------------------------------------------------

// Run a prompt that was validated. Prompts are run one after another in the order they come.
struct Run {
  std::string prompt_id;
  std::string prompt;                // the validated API prompt, JSON text
  std::vector<std::string> outputs;  // outputs_to_execute
  std::string extra_pnginfo;         // a JSON object as text, "" for none
  std::string preview_method;        // "" or "none": nobody wants previews; "auto", "latent2rgb", "taesd"
  int64_t preview_size = 512;        // longest side in pixels
};
// Stop the prompt, running or waiting; "" is the running one. Answered by ExecutionInterrupted and Finished.
struct Interrupt {
  std::string prompt_id;
};
// Acts when no prompt runs. free_memory drops every cached output too.
struct Free {
  bool unload_models = false, free_memory = false;
};
struct Shutdown {};     // interrupt what runs and exit with 0
// Asks nodes to check what they were given, before a prompt is accepted. Answered by Checked, also while a prompt runs.
using easel::CheckAnswer;
using easel::CheckQuestion;
struct Check {
  std::string id;
  std::vector<CheckQuestion> questions;
};
struct MemoryQuery {};  // answered by Memory at once, also while a prompt runs: the ping of this protocol
struct ListModels {};   // answered by Models when no prompt runs

// ---- worker to server ------------------------------------------------------------------------------------------

// As in /system_stats; bytes. No index on a CPU.
struct Device {
  std::string name, type;
  std::optional<int64_t> index;
  uint64_t vram_total = 0, vram_free = 0, torch_vram_total = 0, torch_vram_free = 0;
};
struct Hello {  // the first message: the worker is ready
  int64_t protocol = kProtocol, pid = 0;
  std::string version, pytorch_version;
  std::vector<Device> devices;
};
struct Memory {
  std::vector<Device> devices;
  uint64_t resident = 0;  // of the worker process
};
struct Log {                // the worker's log, for the server to write into its own
  std::string level, text;  // "debug" | "info" | "warning" | "error"
};
struct ModelFile {
  std::string folder, name, kind;  // "checkpoints", "sd15/a.safetensors", what it is taken for
  uint64_t bytes = 0;
};
struct Models {
  std::vector<ModelFile> files;
};

struct Checked {
  std::string id;
  std::vector<CheckAnswer> answers;  // in the order of the questions
};

// The life of a prompt, named as on the WebSocket; timestamps are milliseconds since 1970. Every Run ends in exactly
// one of ExecutionSuccess, ExecutionError, ExecutionInterrupted, and then Finished.
struct ExecutionStart {
  std::string prompt_id;
  int64_t timestamp = 0;
};
struct ExecutionCached {
  std::string prompt_id;
  std::vector<std::string> nodes;
  int64_t timestamp = 0;
};
struct Executing {
  std::string prompt_id, node, display_node;
};
struct Progress {
  std::string prompt_id, node;
  int64_t value = 0, max = 0;
};
// Only the nodes that changed since the last one of this prompt (a snapshot each time would be quadratic in the size of
// the prompt): the server keeps the rest and shows clients the whole.
using easel::NodeProgress;
struct ProgressState {
  std::string prompt_id;
  std::vector<NodeProgress> nodes;
};
struct Executed {
  std::string prompt_id, node, display_node;
  OrderedJson output;  // the ui object, or null
};
struct Preview {
  std::string prompt_id, node, display_node, real_node;
  std::optional<std::string> parent_node;
  std::string mime;  // "image/jpeg" | "image/png"
  std::string bytes;
};
struct Text {  // progress text on a node
  std::string prompt_id, node, text;
};
struct ExecutionSuccess {
  std::string prompt_id;
  int64_t timestamp = 0;
};
struct ExecutionError {
  std::string prompt_id, node_id, node_type;
  std::vector<std::string> executed;
  std::string exception_message, exception_type;
  std::vector<std::string> traceback;
  OrderedJson current_inputs = OrderedJson::object();
  std::vector<std::string> current_outputs;
  int64_t timestamp = 0;
};
struct ExecutionInterrupted {
  std::string prompt_id, node_id, node_type;
  std::vector<std::string> executed;
  int64_t timestamp = 0;
};
// A blocker with a message was met at this node, which does not run; the prompt goes on.
struct ExecutionBlocked {
  std::string prompt_id, node_id, node_type;
  std::vector<std::string> executed;
  std::string message;
};
// After it the worker is free for the next prompt. outputs and meta are those of the history entry.
struct Finished {
  std::string prompt_id, status;  // "success" | "error" | "interrupted"
  OrderedJson outputs = OrderedJson::object(), meta = OrderedJson::object();
};

using Message =
    std::variant<Run, Interrupt, Free, Shutdown, Check, MemoryQuery, ListModels,  //
                 Hello, Memory, Log, Models, Checked, ExecutionStart, ExecutionCached, Executing, Progress, ProgressState,
                 Executed, Preview, Text, ExecutionSuccess, ExecutionError, ExecutionInterrupted,
                 ExecutionBlocked, Finished>;

// One message as CBOR, and back. decode throws Error on anything that is not exactly one known message with every
// field.
std::string encode(Message message);
Message decode(const std::string& cbor);

}  // namespace easel::wire
