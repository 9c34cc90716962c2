// The JSON alias: Json sorts its keys; OrderedJson keeps their order and is for small documents (its look-up is linear).
#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace easel {
using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// Text from outside (a file name, an exception) made fit for JSON: bytes that are not UTF-8 become U+FFFD.
inline std::string valid_utf8(const std::string& text) {
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}
}  // namespace easel
