// Declarations as JSON: nodes.json (lossless, but for the functions) and ComfyUI's /object_info.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "graph/node.h"

namespace easel {

// The names a COMBO that is filled from files offers at this moment (FileSource::extra is added by the callers below).
using Choices = std::function<std::vector<std::string>(const FileSource&)>;

// The choices of a COMBO: those declared, or files and then `extra`.
std::vector<std::string> choices_of(const Input& input, const Choices& choices);

// How an input shows there, and in validation errors: [type] or [type, options].
OrderedJson input_info(const Node& node, const Input& input, const Choices& choices);

// Whether its type shows as the list of its choices and a constant must be one of them.
bool is_v1_combo(const Node& node, const Input& input);

// One entry of /object_info, in the node's dialect: V1 combos are [[names], {…}], V3's ["COMBO", {"options": [names],
// …}].
OrderedJson object_info(const Node& node, const Choices& choices);

// nodes.json: written by `easel-worker --describe`, read by the server. read_nodes throws Error on text that is not
// such a file.
std::string describe(const Registry& registry);
Registry read_nodes(const std::string& text);

}  // namespace easel
