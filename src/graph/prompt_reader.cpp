#include "graph/prompt_reader.h"

#include "base/error.h"
#include "graph/python.h"

namespace easel {
namespace {

// Reads chars and tells how far it has come, which nlohmann's parser does not.
struct Cursor {
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at;
  const char** read_up_to;

  const char& operator*() const { return *at; }
  Cursor& operator++() {
    *read_up_to = ++at;
    return *this;
  }
  bool operator==(const Cursor& other) const { return at == other.at; }
  bool operator!=(const Cursor& other) const { return at != other.at; }
};

}  // namespace

PromptReader::PromptReader(std::string_view text, const PromptLimits& limits, Level outermost)
    : text_(text), limits_(limits), outermost_(outermost), read_up_to_(text.data()) {}

void PromptReader::read() {
  if (text_.size() > limits_.bytes) fail("prompt: {} bytes came, at most {} are allowed", text_.size(), limits_.bytes);
  if (outermost_ == Level::Body) body.rest = Json::object();
  if (outermost_ == Level::Prompt) body.prompt.emplace();
  Json::sax_parse(Cursor{text_.data(), &read_up_to_}, Cursor{text_.data() + text_.size(), &read_up_to_}, this);
  if (!body.prompt) return;
  for (PromptNode& node : body.prompt->nodes)
    for (PromptInput& input : node.inputs)
      if (Link* link = std::get_if<Link>(&input.value)) {
        const size_t found = body.prompt->find(link->node);
        link->source = found == Prompt::kNone ? Link::kMissing : found;
      }
}

bool PromptReader::parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) {
  fail("prompt: not the JSON that was expected: {}", valid_utf8(error.what()));
}

void PromptReader::count_value() {
  if (++values_ > limits_.values) fail("prompt: more than {} values, which is all that is allowed", limits_.values);
}

bool PromptReader::scalar(Json v) {
  count_value();
  if (level() == Level::Raw) return true;
  builder_.is_open() ? builder_.scalar(std::move(v)) : assign(std::move(v));
  return true;
}

bool PromptReader::key(std::string& name) {
  if (builder_.is_open()) {
    builder_.key(std::move(name));
  } else if (level() != Level::Raw) {
    key_ = std::move(name);
  }
  return true;
}

bool PromptReader::open(Json container) {
  count_value();
  if (++depth_ > limits_.depth)
    fail("prompt: nested deeper than {} levels, which is all that is allowed", limits_.depth);
  if (level() == Level::Raw) {
    ++raw_depth_;
  } else if (builder_.is_open() || !begin_known(container.is_object())) {
    builder_.begin(std::move(container));
  }
  return true;
}

// True if the object that opens is one of known shape, and has been begun.
bool PromptReader::begin_known(bool is_object) {
  if (levels_.empty()) {
    if (!is_object) fail("prompt: an object was expected, a list came");
    levels_.push_back(outermost_);
    return true;
  }
  if (!is_object) return false;
  const Level at = level();
  if (at == Level::Body && key_ == "prompt") {
    body.prompt.emplace();
    prompt_begin_ = read_up_to_ - 1;
    is_workflow_ = false;
    levels_.push_back(Level::Prompt);
  } else if (at == Level::Body && key_ == "extra_data") {
    body.rest["extra_data"] = Json::object();
    body.extra_pnginfo.clear();
    levels_.push_back(Level::ExtraData);
  } else if (at == Level::ExtraData && key_ == "extra_pnginfo") {
    raw_begin_ = read_up_to_ - 1;
    levels_.push_back(Level::Raw);
  } else if (at == Level::Prompt) {
    begin_node();
    levels_.push_back(Level::Node);
  } else if (at == Level::Node && key_ == "inputs") {
    begin_inputs();
    levels_.push_back(Level::Inputs);
  } else {
    return false;
  }
  return true;
}

bool PromptReader::close() {
  --depth_;
  if (level() == Level::Raw && raw_depth_ > 0) {
    --raw_depth_;
  } else if (builder_.is_open()) {
    builder_.end();
    if (!builder_.is_open()) assign(builder_.take());
  } else {
    if (level() == Level::Raw) body.extra_pnginfo.assign(raw_begin_, read_up_to_);
    if (level() == Level::Prompt && is_workflow_ && outermost_ == Level::Body) {
      body.prompt.reset();
      body.rest["prompt"] = parse_json({prompt_begin_, read_up_to_}, limits_);
    }
    levels_.pop_back();
  }
  return true;
}

// A value of free shape is complete: puts it where the open object wants it.
void PromptReader::assign(Json v) {
  switch (level()) {
    case Level::Body:
      if (levels_.empty()) fail("prompt: an object was expected, a {} came", v.type_name());
      if (key_ == "prompt") body.prompt.reset();
      if (key_ == "extra_data") body.extra_pnginfo.clear();
      body.rest[key_] = std::move(v);
      break;
    case Level::ExtraData:
      body.rest["extra_data"][key_] = std::move(v);
      break;
    case Level::Prompt:
      if (levels_.empty()) fail("prompt: an object was expected, a {} came", v.type_name());
      is_workflow_ = is_workflow_ || (key_ == "nodes" && v.is_array());
      begin_node();
      break;
    case Level::Node:
      assign_in_node(std::move(v));
      break;
    case Level::Inputs:
      assign_input(std::move(v));
      break;
    case Level::Raw:
      break;
  }
}

void PromptReader::begin_node() {
  Prompt& prompt = *body.prompt;
  auto [place, is_new] = prompt.index.try_emplace(key_, prompt.nodes.size());
  if (is_new) {
    if (prompt.nodes.size() == limits_.nodes)
      fail("prompt: more than {} nodes, which is all that is allowed", limits_.nodes);
    prompt.nodes.emplace_back();
  }
  node_ = place->second;
  node() = PromptNode{.id = key_};
}

void PromptReader::begin_inputs() {
  node().others.erase("inputs");
  node().inputs.clear();
  inputs_of_node_.clear();
}

void PromptReader::assign_in_node(Json v) {
  if (key_ == "class_type") {
    node().class_type = python::str(v);
  } else {
    if (key_ == "inputs") begin_inputs();  // inputs that are no object: kept aside, validate refuses them
    node().others[key_] = std::move(v);
  }
}

void PromptReader::assign_input(Json v) {
  auto [place, is_new] = inputs_of_node_.try_emplace(key_, node().inputs.size());
  if (is_new) node().inputs.push_back({.name = key_});
  PromptInput& input = node().inputs[place->second];
  if (reads_as_link(v)) {
    const bool fits = v[1].is_number_unsigned() ? v[1].get<uint64_t>() <= INT64_MAX : true;
    input.value = Link{.node = v[0].get<std::string>(), .slot = fits ? v[1].get<int64_t>() : INT64_MAX};
  } else {
    input.value = std::move(v);
  }
}

}  // namespace easel
