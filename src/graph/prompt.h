// A prompt: the API form of a workflow, {id: {class_type, inputs: {name: constant | [id, slot]}}}.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "graph/value.h"

namespace easel {

struct Link {
  static constexpr size_t kMissing = SIZE_MAX;
  std::string node;  // as written
  int64_t slot = 0;
  size_t source = kMissing;  // index of that node in the prompt
};

struct PromptInput {
  std::string name;
  std::variant<Json, Link, Value> value;  // a Value only in graphs that nodes make
  const Json* constant() const { return std::get_if<Json>(&value); }
  const Link* link() const { return std::get_if<Link>(&value); }
  const Value* made() const { return std::get_if<Value>(&value); }
};

struct PromptNode {
  std::string id;
  std::optional<std::string> class_type;
  std::vector<PromptInput> inputs;  // as sent, undeclared ones too
  Json others = Json::object();     // "_meta" and whatever else came with it

  PromptInput* input(std::string_view name);
  const PromptInput* input(std::string_view name) const;
};

// Nodes in the order they came. Of a key that comes twice the last counts, as in Python.
struct Prompt {
  static constexpr size_t kNone = SIZE_MAX;
  std::vector<PromptNode> nodes;
  std::map<std::string, size_t, std::less<>> index;  // a tree, so that no choice of ids makes it slow

  size_t find(std::string_view id) const;  // kNone if there is none
};

struct PromptLimits {
  size_t bytes = size_t{104857600};
  size_t depth = 512;  // nested arrays and objects
  size_t nodes = 250'000;
  size_t values = 5'000'000;  // JSON values all in all
};

// Throws Error, fit to be shown to the client, on anything that is not a JSON object or goes past a limit: NaN,
// Infinity, 1e400 and lone surrogates are not JSON here. Time is linear in the text. A node that is no object has no
// class_type (which validate refuses); inputs that are no object are an Error.
Prompt parse_prompt(std::string_view text, const PromptLimits& limits = {});

// The body of POST /prompt in one pass.
struct PromptBody {
  std::optional<Prompt> prompt;  // nothing if the key is absent or null
  std::string extra_pnginfo;     // the text of extra_data.extra_pnginfo as sent, if that is an object; else ""
  Json rest;                     // everything else: client_id, number, extra_data without extra_pnginfo, …
};
PromptBody parse_prompt_body(std::string_view text, const PromptLimits& limits = {});

// Any other JSON from outside, within the same limits of depth and count.
Json parse_json(std::string_view text, const PromptLimits& limits = {});
OrderedJson parse_ordered_json(std::string_view text, const PromptLimits& limits = {});

// The API form as ASCII JSON text, as it goes into a picture, the queue and to the worker.
std::string prompt_to_json(const Prompt& prompt);

}  // namespace easel
