#include "graph/validate.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "graph/python.h"
#include "graph/validate_input.h"

namespace easel {
namespace {

constexpr size_t kDependentsBudget = 5'000'000;  // nodes and links looked at to tell which outputs depend on a bad node
constexpr size_t kMostNamesOfCycle = 20;

// Walks upstream from the outputs, depth first, without recursion; every node is checked once.
class Validator {
 public:
  Validator(Prompt& prompt, const Registry& registry, const FileQueries& files)
      : prompt_(prompt), registry_(registry), check_constant_(files), marks_(prompt.nodes.size()) {}

  // The first node that has no known class.
  std::optional<PromptError> find_classes();
  bool is_output(size_t node) const { return classes_[node]->is_output; }
  void walk(size_t output);
  void ask(const Checks& checks);
  bool judge(size_t output);
  OrderedJson node_errors(const std::vector<size_t>& failed_outputs);
  std::string messages_of(size_t node) const;

 private:
  enum class State { kNew, kOpen, kDone };
  struct Mark {
    State state = State::kNew;
    bool valid = true;
    bool reaches_cycle = false;
    std::vector<OrderedJson> errors;
    std::vector<size_t> dependents;  // failed outputs
  };
  struct Frame {
    size_t node;
    size_t next_input = 0;
    const PromptInput* through = nullptr;  // the input of the frame below that links here
    const Input* declared = nullptr;       // as declared; null where it is not
    std::map<std::string, std::string> link_types;
  };

  void step();
  void check_link(Mark& mark, const Input& input, const PromptInput& given);
  void check_undeclared(const PromptInput& given);
  bool follows(const Node& declared, const PromptInput& given) const;
  void follow(const Input* input, const PromptInput& given);
  void add_question(const Frame& frame);
  void record(size_t node, const CheckQuestion& question, const CheckAnswer& answer);
  void spread_errors();
  void close(bool valid);
  void throw_in_node(const char* exception, const std::string& message);
  void found_cycle(size_t source);
  void find_dependents(const std::vector<size_t>& failed_outputs);

  Prompt& prompt_;
  const Registry& registry_;
  ConstantCheck check_constant_;
  std::vector<const Node*> classes_;
  std::vector<Mark> marks_;
  std::vector<size_t> done_;  // in the order in which they were done
  std::vector<Frame> frames_;
  std::vector<size_t> asked_;  // the nodes that the questions are about
  std::vector<CheckQuestion> questions_;
  std::string cycle_;  // the cycle that was met first
};

std::optional<PromptError> Validator::find_classes() {
  for (const PromptNode& node : prompt_.nodes) {
    const std::string where = "Node ID '#" + node.id + "'";
    if (!node.class_type)
      return PromptError{"invalid_prompt", "Cannot execute because a node is missing the class_type property.", where};
    classes_.push_back(registry_.find(*node.class_type));
    if (!classes_.back())
      return PromptError{"invalid_prompt", "Cannot execute because node " + *node.class_type + " does not exist.",
                         where};
  }
  return std::nullopt;
}

void Validator::walk(size_t output) {
  if (marks_[output].state != State::kNew) return;
  marks_[output].state = State::kOpen;
  frames_.push_back({.node = output});
  while (!frames_.empty()) step();
}

bool Validator::judge(size_t output) {
  Mark& mark = marks_[output];
  if (mark.reaches_cycle)
    mark.errors = {input_error("exception_during_validation", "Exception when validating node", cycle_,
                               {{"exception_type", "RecursionError"}, {"traceback", OrderedJson::array()}})};
  return mark.valid;
}

// Checks the next input of the innermost open node.
void Validator::step() {
  Frame& frame = frames_.back();
  PromptNode& node = prompt_.nodes[frame.node];
  const Node& declared = *classes_[frame.node];
  Mark& mark = marks_[frame.node];
  const size_t inputs = declared.inputs.size() + (declared.variadic ? node.inputs.size() : 0);
  if (frame.next_input == inputs) {
    if (declared.check) add_question(frame);
    return close(mark.valid && mark.errors.empty());
  }
  if (node.others.contains("inputs"))
    return throw_in_node("TypeError",
                         std::string("inputs must be an object, not ") + node.others["inputs"].type_name());
  if (frame.next_input >= declared.inputs.size())
    return check_undeclared(node.inputs[frame.next_input++ - declared.inputs.size()]);

  const Input& input = declared.inputs[frame.next_input++];
  PromptInput* given = node.input(input.name);
  if (!given) {
    if (!input.optional)
      mark.errors.push_back(
          input_error("required_input_missing", "Required input is missing", input.name, {{"input_name", input.name}}));
  } else if (input.raw_link) {
    return;
  } else if (given->link()) {
    check_link(mark, input, *given);
  } else if (Json& value = std::get<Json>(given->value); value.is_array() && value.size() != 2) {
    mark.errors.push_back(input_error("bad_linked_input",
                                      "Bad linked input, must be a length-2 list of [node_id, slot_index]", input.name,
                                      {{"input_name", input.name},
                                       {"input_config", check_constant_.config(declared, input)},
                                       {"received_value", value}}));
  } else if (value.is_array()) {
    const bool known = value[0].is_string() && prompt_.find(value[0].get_ref<const std::string&>()) != Prompt::kNone;
    known ? throw_in_node("TypeError", "a slot must be an integer, not " + python::repr(value[1]))
          : throw_in_node("KeyError", python::repr(value[0]));
  } else if (auto error = check_constant_(declared, input, value)) {
    mark.errors.push_back(std::move(*error));
  }
}

// Undeclared links are followed where the node takes them; what else is undeclared plays no part.
void Validator::check_undeclared(const PromptInput& given) {
  if (!follows(*classes_[frames_.back().node], given)) return;
  if (given.link()->source == Link::kMissing) return throw_in_node("KeyError", python::quote(given.link()->node));
  follow(nullptr, given);
}

bool Validator::follows(const Node& declared, const PromptInput& given) const {
  if (!given.link()) return false;
  for (const Input& input : declared.inputs)
    if (input.name == given.name) return !input.raw_link;
  return declared.variadic;
}

void Validator::check_link(Mark& mark, const Input& input, const PromptInput& given) {
  const Link& link = *given.link();
  const Node& declared = *classes_[frames_.back().node];
  if (link.source == Link::kMissing) return throw_in_node("KeyError", python::quote(link.node));
  const std::vector<Output>& outputs = classes_[link.source]->outputs;
  if (link.slot < 0 || static_cast<size_t>(link.slot) >= outputs.size())
    return throw_in_node("IndexError", "tuple index out of range");
  const std::string& received = outputs[link.slot].type;
  const bool by_names = is_v1_combo(declared, input);
  if (declared.check.link_types) frames_.back().link_types[input.name] = received;
  if (declared.check.link_types || (by_names ? received == "*" : types_connect(received, input.type)))
    return follow(&input, given);

  OrderedJson config = check_constant_.config(declared, input);
  const std::string wanted = by_names ? python::repr(Json(config[0])) : input.type;
  mark.errors.push_back(
      input_error("return_type_mismatch", "Return type mismatch between linked nodes",
                  fmt::format("{}, received_type({}) mismatch input_type({})", input.name, received, wanted),
                  {{"input_name", input.name},
                   {"input_config", std::move(config)},
                   {"received_type", received},
                   {"linked_node", OrderedJson::array({link.node, link.slot})}}));
}

void Validator::follow(const Input* input, const PromptInput& given) {
  const size_t source = given.link()->source;
  Mark& mark = marks_[frames_.back().node];
  Mark& upstream = marks_[source];
  switch (upstream.state) {
    case State::kNew:
      upstream.state = State::kOpen;
      frames_.push_back({.node = source, .through = &given, .declared = input});
      break;
    case State::kOpen:
      found_cycle(source);
      break;
    case State::kDone:
      mark.valid = mark.valid && upstream.valid;
      mark.reaches_cycle = mark.reaches_cycle || upstream.reaches_cycle;
      break;
  }
}

void Validator::close(bool valid) {
  const size_t node = frames_.back().node;
  Mark& mark = marks_[node];
  mark.state = State::kDone;
  mark.valid = valid;
  done_.push_back(node);
  frames_.pop_back();
  if (frames_.empty()) return;
  Mark& below = marks_[frames_.back().node];
  below.valid = below.valid && valid;
  below.reaches_cycle = below.reaches_cycle || mark.reaches_cycle;
}

// Where ComfyUI's check of a node would raise: that becomes the node's only error, in the words for an output or for a
// node that something else links to.
void Validator::throw_in_node(const char* exception, const std::string& message) {
  const Frame& frame = frames_.back();
  Mark& mark = marks_[frame.node];
  OrderedJson extra = {{"exception_type", exception}, {"traceback", OrderedJson::array()}};
  if (frame.through) {
    const Node& below = *classes_[frames_[frames_.size() - 2].node];
    extra["input_name"] = frame.through->name;
    extra["input_config"] = frame.declared ? check_constant_.config(below, *frame.declared) : OrderedJson();
    extra["exception_message"] = message;
    extra["linked_node"] = OrderedJson::array({frame.through->link()->node, frame.through->link()->slot});
  }
  mark.errors = {frame.through ? input_error("exception_during_inner_validation",
                                             "Exception when validating inner node", message, std::move(extra))
                               : input_error("exception_during_validation", "Exception when validating node", message,
                                             std::move(extra))};
  close(false);
}

// `source` is open, so the innermost node depends on itself. No open node can be run.
void Validator::found_cycle(size_t source) {
  if (cycle_.empty()) {
    auto at = std::find_if(frames_.begin(), frames_.end(), [&](const Frame& frame) { return frame.node == source; });
    const size_t length = frames_.end() - at;
    cycle_ = "Dependency cycle: ";
    for (size_t i = 0; i < std::min(length, kMostNamesOfCycle); ++i) cycle_ += prompt_.nodes[at[i].node].id + " <- ";
    cycle_ += (length > kMostNamesOfCycle ? "… <- " : "") + prompt_.nodes[source].id;
  }
  while (!frames_.empty()) {
    marks_[frames_.back().node].reaches_cycle = true;
    close(false);
  }
}

// ---- what nodes check themselves --------------------------------------------------------------------------------

void Validator::add_question(const Frame& frame) {
  const Node& declared = *classes_[frame.node];
  CheckQuestion question{.class_type = declared.id, .constants = {}, .link_types = frame.link_types};
  for (const Input& input : declared.inputs)
    if (const PromptInput* given = prompt_.nodes[frame.node].input(input.name))
      if (declared.check.takes(input.name))
        question.constants[input.name] = given->constant() ? *given->constant() : Json();
  asked_.push_back(frame.node);
  questions_.push_back(std::move(question));
}

void Validator::ask(const Checks& checks) {
  if (questions_.empty()) return;
  const auto answers = checks ? checks(questions_) : answer_checks(registry_, questions_);
  if (answers.size() != questions_.size())
    fail("validate: {} answers came to {} questions", answers.size(), questions_.size());
  bool all_good = true;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].good) continue;
    record(asked_[i], questions_[i], answers[i]);
    all_good = false;
  }
  if (!all_good) spread_errors();
}

// An error for each input that the check was given.
void Validator::record(size_t node, const CheckQuestion& question, const CheckAnswer& answer) {
  std::vector<OrderedJson>& errors = marks_[node].errors;
  if (!answer.exception.empty()) {
    if (!errors.empty()) return;  // which may be why
    errors = {input_error("exception_during_validation", "Exception when validating node", answer.exception,
                          {{"exception_type", "Exception"}, {"traceback", OrderedJson::array()}})};
    return;
  }
  const auto add = [&](const std::string& input) {
    errors.push_back(input_error("custom_validation_failed", "Custom validation failed for node",
                                 answer.text.empty() ? input : input + " - " + valid_utf8(answer.text),
                                 {{"input_name", input}}));
  };
  for (const PromptInput& input : prompt_.nodes[node].inputs)
    if (question.constants.count(input.name)) add(input.name);
  if (classes_[node]->check.link_types) add("input_types");
}

// Sources first, as they were done: a node is invalid if one of them is.
void Validator::spread_errors() {
  for (size_t node : done_) {
    Mark& mark = marks_[node];
    mark.valid = mark.valid && mark.errors.empty();
    for (const PromptInput& input : prompt_.nodes[node].inputs)
      if (follows(*classes_[node], input) && input.link()->source != Link::kMissing)
        mark.valid = mark.valid && marks_[input.link()->source].valid;
  }
}

std::string Validator::messages_of(size_t node) const {
  std::string text;
  for (const OrderedJson& error : marks_[node].errors)
    text +=
        (text.empty() ? "" : "\n") + error["message"].get<std::string>() + ": " + error["details"].get<std::string>();
  return text;
}

// Which failed outputs depend on each bad node. Bounded, because outputs times nodes may be large: past the budget some
// are left out.
void Validator::find_dependents(const std::vector<size_t>& failed_outputs) {
  std::vector<size_t> seen_from(marks_.size(), SIZE_MAX), stack;
  size_t visits = 0;
  for (size_t output : failed_outputs) {
    stack.push_back(output);
    seen_from[output] = output;
    while (!stack.empty() && visits < kDependentsBudget) {
      const size_t node = stack.back();
      stack.pop_back();
      visits += 1 + prompt_.nodes[node].inputs.size();
      if (!marks_[node].errors.empty()) marks_[node].dependents.push_back(output);
      for (const PromptInput& input : prompt_.nodes[node].inputs) {
        const Link* link = input.link();
        if (!link || link->source == Link::kMissing || seen_from[link->source] == output) continue;
        if (marks_[link->source].state != State::kDone || marks_[link->source].valid) continue;
        seen_from[link->source] = output;
        stack.push_back(link->source);
      }
    }
    stack.clear();
  }
}

OrderedJson Validator::node_errors(const std::vector<size_t>& failed_outputs) {
  find_dependents(failed_outputs);
  OrderedJson::object_t by_id;
  for (size_t node : done_) {
    Mark& mark = marks_[node];
    if (mark.errors.empty()) continue;
    OrderedJson outputs = OrderedJson::array();
    for (size_t output : mark.dependents) outputs.push_back(prompt_.nodes[output].id);
    // emplace_back: ids differ, and a look-up for each would be quadratic.
    by_id.emplace_back(prompt_.nodes[node].id, OrderedJson{{"errors", std::move(mark.errors)},
                                                           {"dependent_outputs", std::move(outputs)},
                                                           {"class_type", *prompt_.nodes[node].class_type}});
  }
  return by_id;
}

}  // namespace

OrderedJson to_json(const PromptError& error) {
  return input_error(error.type.c_str(), error.message, error.details, error.extra_info);
}

ValidationResult validate(Prompt& prompt, const Registry& registry, const FileQueries& files,
                          const std::optional<std::vector<std::string>>& targets, const Checks& checks) {
  ValidationResult result;
  Validator validator(prompt, registry, files);
  if (auto error = validator.find_classes()) {
    result.error = std::move(*error);
    return result;
  }
  const std::set<std::string> wanted =
      targets ? std::set<std::string>(targets->begin(), targets->end()) : std::set<std::string>();
  std::vector<size_t> outputs, failed;
  for (size_t node = 0; node < prompt.nodes.size(); ++node)
    if (validator.is_output(node) && (!targets || wanted.count(prompt.nodes[node].id))) outputs.push_back(node);
  for (size_t output : outputs) validator.walk(output);
  validator.ask(checks);
  for (size_t output : outputs) {
    if (validator.judge(output)) {
      result.outputs_to_execute.push_back(prompt.nodes[output].id);
    } else {
      failed.push_back(output);
    }
  }
  if (outputs.empty()) {
    result.error = {"prompt_no_outputs", "Prompt has no outputs", ""};
    return result;
  }
  result.ok = !result.outputs_to_execute.empty();
  if (!result.ok) {
    result.error = {"prompt_outputs_failed_validation", "Prompt outputs failed validation", ""};
    for (size_t output : failed) {
      const std::string messages = validator.messages_of(output);
      if (!messages.empty()) result.error.details += (result.error.details.empty() ? "" : "\n") + messages;
    }
  }
  result.node_errors = validator.node_errors(failed);
  return result;
}

}  // namespace easel
