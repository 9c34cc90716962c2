// Reads a prompt from JSON text event by event, straight into graph types. Used by prompt.cpp only.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "graph/json_reader.h"
#include "graph/prompt.h"

namespace easel {

class PromptReader : public nlohmann::json_sax<Json> {
 public:
  // Where the reader stands. Objects of these have a shape that is known, but Raw, which passes over text that is kept
  // as it is.
  enum class Level { Body, ExtraData, Prompt, Node, Inputs, Raw };

  PromptReader(std::string_view text, const PromptLimits& limits, Level outermost);
  void read();  // throws Error

  PromptBody body;  // Level::Body; Level::Prompt fills body.prompt

  bool null() override { return scalar(nullptr); }
  bool boolean(bool v) override { return scalar(v); }
  bool number_integer(int64_t v) override { return scalar(v); }
  bool number_unsigned(uint64_t v) override { return scalar(v <= INT64_MAX ? Json(static_cast<int64_t>(v)) : Json(v)); }
  bool number_float(double v, const std::string&) override { return scalar(v); }
  bool string(std::string& v) override { return scalar(std::move(v)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool key(std::string& name) override;
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override;

 private:
  bool scalar(Json v);
  bool open(Json container);
  bool close();
  bool begin_known(bool is_object);
  void begin_node();
  void begin_inputs();
  void assign(Json v);
  void assign_in_node(Json v);
  void assign_input(Json v);
  void count_value();
  Level level() const { return levels_.empty() ? outermost_ : levels_.back(); }
  PromptNode& node() { return body.prompt->nodes[node_]; }

  const std::string_view text_;
  const PromptLimits limits_;
  const Level outermost_;
  const char* read_up_to_;  // how far the parser has come in text_
  size_t depth_ = 0, values_ = 0;

  std::vector<Level> levels_;  // known objects that are open
  std::string key_;            // the last key of the innermost of them
  size_t raw_depth_ = 0;       // arrays and objects open inside Raw text
  const char* raw_begin_ = nullptr;
  const char* prompt_begin_ = nullptr;
  bool is_workflow_ = false;  // the prompt is a workflow as the page saves it: it goes to body.rest as it is

  JsonBuilder<Json> builder_;  // a value of free shape

  size_t node_ = 0;                               // the node that is open
  std::map<std::string, size_t> inputs_of_node_;  // its inputs by name
};

bool reads_as_link(const Json& value);  // ["3", 0]

}  // namespace easel
