#include "graph/validate_input.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "graph/python.h"

namespace easel {
namespace {

constexpr size_t kMostChoicesShown = 20;
constexpr size_t kLongestShown = 1000;  // characters of a constant in an error text

std::string shown(const Json& value) {
  std::string text = python::str(value);
  return text.size() <= kLongestShown ? text : valid_utf8(text.substr(0, kLongestShown)) + "…";
}

// Exact for every 64-bit integer, signed or not.
long double number(const Json& value) {
  if (value.is_number_unsigned()) return static_cast<long double>(value.get<uint64_t>());
  if (value.is_number_integer()) return static_cast<long double>(value.get<int64_t>());
  return value.get<double>();
}

// An integer beyond 64 bits is kept as a float: Python would show all its digits.
std::string number_text(const Input& input, const Json& value) {
  return input.type == "INT" && value.is_number_float() ? fmt::format("{:.0f}", value.get<double>())
                                                        : python::str(value);
}

bool has_type(const std::string& types, std::string_view wanted) {
  for (size_t begin = 0; begin <= types.size();) {
    const size_t end = std::min(types.find(',', begin), types.size());
    if (std::string_view(types).substr(begin, end - begin) == wanted) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

OrderedJson input_error(const char* type, std::string message, std::string details, OrderedJson extra_info) {
  return {{"type", type},
          {"message", std::move(message)},
          {"details", std::move(details)},
          {"extra_info", std::move(extra_info)}};
}

bool types_connect(const std::string& received, const std::string& declared) {
  if (received == declared || has_type(received, "*") || has_type(declared, "*")) return true;
  for (size_t begin = 0; begin <= received.size();) {
    const size_t end = std::min(received.find(',', begin), received.size());
    if (has_type(declared, std::string_view(received).substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

const ConstantCheck::Names& ConstantCheck::names(const FileSource& source) {
  auto [place, is_new] = names_.try_emplace({source.folder, source.kind});
  Names& names = place->second;
  if (!is_new || !files_.choices) return names;
  try {
    names.listed = files_.choices(source);
    names.all = {names.listed.begin(), names.listed.end()};
  } catch (const std::exception& error) {
    log::warn("the files of '{}' cannot be listed: {}", source.folder, error.what());
  }
  return names;
}

bool ConstantCheck::exists(const FileSource& source, const std::string& name) {
  try {
    return files_.exists && files_.exists(source, name);
  } catch (const std::exception& error) {
    log::warn("cannot tell whether '{}' is in '{}': {}", name, source.folder, error.what());
    return false;
  }
}

bool ConstantCheck::offers(const Input& input, const std::string& name) {
  const auto among = [&](const std::vector<std::string>& some) {
    return std::find(some.begin(), some.end(), name) != some.end();
  };
  if (input.source.folder.empty()) return among(input.choices);
  return among(input.source.extra) || names(input.source).all.count(name);
}

OrderedJson ConstantCheck::config(const Node& node, const Input& input) {
  OrderedJson info = input_info(node, input, choices_);
  if (info.size() == 1) info.push_back(OrderedJson::object());
  return info;
}

OrderedJson ConstantCheck::received(const Node& node, const Input& input, const Json& value) {
  return {{"input_name", input.name}, {"input_config", config(node, input)}, {"received_value", value}};
}

std::optional<OrderedJson> ConstantCheck::operator()(const Node& node, const Input& input, Json& value) {
  if (value.is_object() && value.contains("__value__")) value = Json(value["__value__"]);
  if (auto error = convert(node, input, value)) return error;
  if (input.source.upload) {
    const std::string name = python::str(value);
    if (value.is_string() && exists(input.source, name)) return std::nullopt;
    const std::string what = input.source.kind.empty() ? "file" : input.source.kind + " file";
    return input_error("custom_validation_failed", "Custom validation failed for node",
                       fmt::format("{} - Invalid {}: {}", input.name, what, shown(value)),
                       {{"input_name", input.name}});
  }
  if (node.check.takes(input.name)) return std::nullopt;  // the node's own to judge
  if (auto error = check_range(node, input, value)) return error;
  return check_choice(node, input, value);
}

std::optional<OrderedJson> ConstantCheck::convert(const Node& node, const Input& input, Json& value) {
  python::Converted converted;
  if (input.type == "INT") {
    converted = python::to_int(value);
  } else if (input.type == "FLOAT") {
    converted = python::to_float(value);
  } else if (input.type == "STRING") {
    converted.value = python::str(value);
  } else if (input.type == "BOOLEAN") {
    converted.value = python::to_bool(value);
  } else {
    return std::nullopt;
  }
  if (converted.error.empty() && input.type == "INT" && converted.value.is_number_float()) {
    if (auto error = check_range(node, input, converted.value)) return error;
    converted.error = "the number does not fit into 64 bits";
  }
  if (converted.error.empty()) {
    value = std::move(converted.value);
    return std::nullopt;
  }
  OrderedJson extra = received(node, input, value);
  extra["exception_message"] = converted.error;
  return input_error("invalid_input_type", fmt::format("Failed to convert an input value to a {} value", input.type),
                     fmt::format("{}, {}, {}", input.name, shown(value), converted.error), std::move(extra));
}

std::optional<OrderedJson> ConstantCheck::check_range(const Node& node, const Input& input, const Json& value) {
  if (!value.is_number()) return std::nullopt;
  const auto min = input.options.find("min"), max = input.options.find("max");
  if (min != input.options.end() && min->is_number() && number(value) < number(Json(*min)))
    return input_error(
        "value_smaller_than_min",
        fmt::format("Value {} smaller than min of {}", number_text(input, value), python::str(Json(*min))), input.name,
        received(node, input, value));
  if (max != input.options.end() && max->is_number() && number(value) > number(Json(*max)))
    return input_error(
        "value_bigger_than_max",
        fmt::format("Value {} bigger than max of {}", number_text(input, value), python::str(Json(*max))), input.name,
        received(node, input, value));
  return std::nullopt;
}

std::optional<OrderedJson> ConstantCheck::check_choice(const Node& node, const Input& input, const Json& value) {
  if (!is_v1_combo(node, input)) return std::nullopt;
  if (value.is_string() && offers(input, value.get_ref<const std::string&>())) return std::nullopt;
  const std::vector<std::string> choices = choices_of(input, choices_);
  OrderedJson extra = received(node, input, value);
  std::string list = python::quote(choices);
  if (choices.size() > kMostChoicesShown) {
    extra["input_config"] = nullptr;
    list = fmt::format("(list of length {})", choices.size());
  }
  return input_error(
      "value_not_in_list", "Value not in list",
      fmt::format("{}: {} not in {}", input.name, value.is_string() ? python::quote(shown(value)) : shown(value), list),
      std::move(extra));
}

}  // namespace easel
