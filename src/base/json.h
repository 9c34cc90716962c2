// The JSON alias: Json sorts its keys; OrderedJson keeps their order and is for small documents (its look-up is linear).
#pragma once
#include <nlohmann/json.hpp>

namespace easel {
using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;
}  // namespace easel
