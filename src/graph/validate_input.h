// The checks on one input of one node. Used by validate.cpp only.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/validate.h"

namespace easel {

// One entry of node_errors[id].errors.
OrderedJson input_error(const char* type, std::string message, std::string details, OrderedJson extra_info);

// Whether an output may be linked to an input: equal types, "*" on either side, or comma-separated unions that share a
// type. An input whose type is a list of names takes "*" only.
bool types_connect(const std::string& received, const std::string& declared);

// Checks constants; remembers the lists of files for the length of one validation.
class ConstantCheck {
 public:
  explicit ConstantCheck(const FileQueries& files) : files_(files) {}

  // Coerces `value` in place; the error if it will not do.
  std::optional<OrderedJson> operator()(const Node& node, const Input& input, Json& value);

  // [type, options], as errors show it.
  OrderedJson config(const Node& node, const Input& input);

 private:
  std::optional<OrderedJson> convert(const Node& node, const Input& input, Json& value);
  std::optional<OrderedJson> check_range(const Node& node, const Input& input, const Json& value);
  std::optional<OrderedJson> check_choice(const Node& node, const Input& input, const Json& value);
  OrderedJson received(const Node& node, const Input& input, const Json& value);
  bool offers(const Input& input, const std::string& name);
  // A folder that cannot be read offers nothing.
  bool exists(const FileSource& source, const std::string& name);
  struct Names {
    std::vector<std::string> listed;
    std::set<std::string> all;
  };
  const Names& names(const FileSource& source);

  const FileQueries& files_;
  std::map<std::pair<std::string, std::string>, Names> names_;
  const Choices choices_ = [this](const FileSource& source) { return names(source).listed; };
};

}  // namespace easel
