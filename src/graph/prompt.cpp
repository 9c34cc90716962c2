#include "graph/prompt.h"

#include "base/error.h"
#include "graph/prompt_reader.h"

namespace easel {

const PromptInput* PromptNode::input(std::string_view name) const {
  for (const PromptInput& input : inputs)
    if (input.name == name) return &input;
  return nullptr;
}

PromptInput* PromptNode::input(std::string_view name) {
  return const_cast<PromptInput*>(std::as_const(*this).input(name));
}

size_t Prompt::find(std::string_view id) const {
  auto found = index.find(id);
  return found == index.end() ? kNone : found->second;
}

Prompt parse_prompt(std::string_view text, const PromptLimits& limits) {
  PromptReader reader(text, limits, PromptReader::Level::Prompt);
  reader.read();
  return std::move(*reader.body.prompt);
}

PromptBody parse_prompt_body(std::string_view text, const PromptLimits& limits) {
  PromptReader reader(text, limits, PromptReader::Level::Body);
  reader.read();
  return std::move(reader.body);
}

namespace {

template <class J>
J parse_value(std::string_view text, const PromptLimits& limits) {
  if (text.size() > limits.bytes) fail("json: {} bytes came, at most {} are allowed", text.size(), limits.bytes);
  JsonReader<J> reader("json", limits.depth, limits.values);
  J::sax_parse(text, &reader);
  return reader.take();
}

}  // namespace

Json parse_json(std::string_view text, const PromptLimits& limits) { return parse_value<Json>(text, limits); }

OrderedJson parse_ordered_json(std::string_view text, const PromptLimits& limits) {
  return parse_value<OrderedJson>(text, limits);
}

bool reads_as_link(const Json& value) {
  return value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_number_integer();
}

namespace {

std::string ascii(const Json& value) { return value.dump(-1, ' ', true); }

void write_input(const PromptInput& input, std::string& out) {
  if (const Link* link = input.link()) {
    out += '[' + ascii(link->node) + ',' + std::to_string(link->slot) + ']';
  } else if (input.made()) {
    out += "null";  // it has no text form
  } else if (reads_as_link(*input.constant())) {
    out += "{\"__value__\":" + ascii(*input.constant()) + '}';
  } else {
    out += ascii(*input.constant());
  }
}

void write_node(const PromptNode& node, std::string& out) {
  out += "{\"inputs\":{";
  for (const PromptInput& input : node.inputs) {
    if (&input != &node.inputs.front()) out += ',';
    out += ascii(input.name) + ':';
    write_input(input, out);
  }
  out += '}';
  if (node.class_type) out += ",\"class_type\":" + ascii(*node.class_type);
  for (const auto& [key, value] : node.others.items())
    if (key != "inputs") out += ',' + ascii(key) + ':' + ascii(value);  // inputs that are no object play no part
  out += '}';
}

}  // namespace

std::string prompt_to_json(const Prompt& prompt) {
  std::string out = "{";
  for (const PromptNode& node : prompt.nodes) {
    if (out.size() > 1) out += ',';
    out += ascii(node.id) + ':';
    write_node(node, out);
  }
  return out + '}';
}

}  // namespace easel
