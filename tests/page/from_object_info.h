// A registry of declarations without functions, read from the JSON of GET /object_info.
#pragma once
#include "graph/node.h"

namespace easel {

inline Input input_from_info(const std::string& name, const OrderedJson& info, bool optional) {
  Input input{.name = name, .optional = optional};
  if (info.size() > 1) input.options = info[1];
  if (info[0].is_array()) {
    input.type = "COMBO";
    for (const auto& choice : info[0])
      input.choices.push_back(choice.is_string() ? choice.get<std::string>() : choice.dump());
  } else {
    input.type = info[0];
    if (input.options.contains("options"))
      for (const auto& choice : input.options["options"])
        if (choice.is_string()) input.choices.push_back(choice);
  }
  return input;
}

inline Registry registry_from_object_info(const OrderedJson& object_info) {
  Registry registry;
  for (const auto& [id, info] : object_info.items()) {
    Node node{.id = id};
    if (info["display_name"].is_string()) node.title = info["display_name"];
    for (const bool optional : {false, true}) {
      const char* section = optional ? "optional" : "required";
      if (!info["input"].contains(section) || !info["input_order"].contains(section)) continue;
      for (const auto& name : info["input_order"][section])
        node.inputs.push_back(input_from_info(name, info["input"][section][name.get<std::string>()], optional));
    }
    for (size_t i = 0; i < info["output"].size(); ++i)
      node.outputs.push_back({.type = info["output"][i].is_string() ? info["output"][i].get<std::string>() : "COMBO",
                              .name = info["output_name"][i]});
    registry.add(std::move(node));
  }
  return registry;
}

}  // namespace easel
