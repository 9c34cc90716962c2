// What a running node may ask of the engine. One Context for each call of a node; used from the thread that makes the
// call.
#pragma once
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "base/json.h"
#include "graph/prompt.h"

namespace easel {

// Thrown by Context::check_interrupt; ends the prompt as "interrupted", not as an error.
struct Interrupted {};

// An encoded preview picture of a running node, made only when somebody looks.
struct Preview {
  std::string mime;  // "image/jpeg" or "image/png"
  std::string bytes;
};

// Whether and how previews are wanted: "none", "auto", "latent2rgb", "taesd"; max_size is the longest side in pixels.
struct PreviewSettings {
  std::string method = "none";
  int64_t max_size = 512;
  bool wanted() const { return !method.empty() && method != "none"; }
};

class Context {
 public:
  virtual ~Context() = default;

  virtual const std::string& node_id() const = 0;        // UNIQUE_ID
  virtual const std::string& prompt_json() const = 0;    // PROMPT: the validated API prompt, as ASCII JSON text
  virtual const OrderedJson& extra_pnginfo() const = 0;  // EXTRA_PNGINFO: an object (perhaps empty); values as sent

  // DYNPROMPT: a node of the prompt as it has grown by now; null if there is none. Valid while the prompt runs.
  virtual const PromptNode* find_node(const std::string& /*id*/) const { return nullptr; }

  // Where the ids of a graph that this call returns begin: "<node>.<call>.<graph>.". Each call gives another.
  virtual std::string graph_prefix() { return node_id() + ".0.0."; }

  // How a preview should be made, if one is asked for.
  virtual const PreviewSettings& previews() const {
    static const PreviewSettings kNone;
    return kNone;
  }

  // One step done. `preview` is called only when the client wants previews. Throws Interrupted.
  virtual void progress(int64_t value, int64_t max, const std::function<Preview()>& preview = {}) = 0;
  virtual void check_interrupt() = 0;                 // throws Interrupted
  virtual void text(const std::string& message) = 0;  // progress text shown on the node

  // Asked to stop when check_interrupt() would throw.
  virtual std::stop_token stop_token() const { return {}; }
  // Waits, but no longer than until the prompt is interrupted: then throws Interrupted.
  void sleep(double seconds);
};

}  // namespace easel
