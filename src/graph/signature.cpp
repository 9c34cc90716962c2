#include "graph/signature.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace easel {
namespace {

void put_text(std::string& bytes, std::string_view text) {
  bytes += std::to_string(text.size());
  bytes += ':';
  bytes += text;
}

void put_number(std::string& bytes, double value) {
  if (value == std::trunc(value) && value >= -0x1p63 && value < 0x1p63) {
    bytes += 'i' + std::to_string(static_cast<int64_t>(value));
  } else if (value == std::trunc(value) && value >= 0 && value < 0x1p64) {
    bytes += 'i' + std::to_string(static_cast<uint64_t>(value));
  } else {
    bytes += 'f';
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  bytes += ';';
}

// The same bytes for values that are equal in Python. Depth is bounded by the parser. False if there is a NaN inside.
bool put_value(std::string& bytes, const Json& value) {
  switch (value.type()) {
    case Json::value_t::boolean:
      bytes += value.get<bool>() ? "i1;" : "i0;";
      break;
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      bytes += 'i' + value.dump() + ';';
      break;
    case Json::value_t::number_float:
      if (std::isnan(value.get<double>())) return false;
      put_number(bytes, value.get<double>());
      break;
    case Json::value_t::string:
      bytes += 's';
      put_text(bytes, value.get_ref<const std::string&>());
      break;
    case Json::value_t::array:
      bytes += '[';
      for (const Json& item : value)
        if (!put_value(bytes, item)) return false;
      bytes += ']';
      break;
    case Json::value_t::object:
      bytes += '{';
      for (const auto& [key, item] : value.items()) {
        put_text(bytes, key);
        if (!put_value(bytes, item)) return false;
      }
      bytes += '}';
      break;
    default:
      bytes += 'n';
  }
  return true;
}

bool keyed_by_id(const Node& type) {
  const auto has_unique_id = [](const auto& hidden) { return hidden.second == "UNIQUE_ID"; };
  return type.not_idempotent || (!type.v3 && std::any_of(type.hidden.begin(), type.hidden.end(), has_unique_id));
}

// The node behind a link, raw or not.
size_t source_of(const PlannedInput& input) {
  return input.kind == PlannedInput::Kind::kLink || input.kind == PlannedInput::Kind::kRaw ? input.source
                                                                                           : Link::kMissing;
}

}  // namespace

const std::vector<std::optional<Signature>>& Signer::sign_all() {
  const size_t first = signatures_.size();
  signatures_.resize(plan_.size());
  visited_.resize(plan_.size());
  for (size_t node = first; node < plan_.size(); ++node) visit(node);
  return signatures_;
}

// Sources first. A node met again while it is open lies on a cycle; it has no signature yet, so nobody on the cycle
// gets one.
void Signer::visit(size_t start) {
  if (visited_[start]) return;
  visited_[start] = true;
  stack_ = {{start, 0}};
  while (!stack_.empty()) {
    auto& [node, next] = stack_.back();
    const std::vector<PlannedInput>& inputs = plan_[node].inputs;
    if (next == inputs.size()) {
      signatures_[node] = sign_one(node);
      stack_.pop_back();
      continue;
    }
    const size_t source = source_of(inputs[next++]);
    if (source == Link::kMissing || visited_[source]) continue;
    visited_[source] = true;
    stack_.push_back({source, 0});
  }
}

std::optional<Signature> Signer::sign_one(size_t node) {
  const PlannedNode& planned = plan_[node];
  const Node& type = *planned.type;
  bytes_.clear();
  put_text(bytes_, type.id);
  if (!put_value(bytes_, fingerprints_[node])) return std::nullopt;
  if (keyed_by_id(type)) put_text(bytes_, id_of_(node));
  for (size_t i = 0; i < planned.inputs.size(); ++i) {
    const bool declared = i < type.inputs.size();
    if (!put_input(declared ? type.inputs[i].name : *planned.others[i - type.inputs.size()], planned.inputs[i]))
      return std::nullopt;
  }
  Signature signature;
  SHA256(reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size(), signature.data());
  return signature;
}

bool Signer::put_input(const std::string& name, const PlannedInput& input) {
  switch (input.kind) {
    case PlannedInput::Kind::kNone:
      return true;
    case PlannedInput::Kind::kMade:
    case PlannedInput::Kind::kBroken:
      return false;
    case PlannedInput::Kind::kConstant:
      put_text(bytes_, name);
      return put_value(bytes_, *input.constant);
    case PlannedInput::Kind::kLink:
    case PlannedInput::Kind::kRaw:
      break;
  }
  if (input.source == Link::kMissing) return false;
  const std::optional<Signature>& source = signatures_[input.source];
  if (!source) return false;
  put_text(bytes_, name);
  bytes_ += '@' + std::to_string(input.slot) + ':';
  bytes_.append(source->begin(), source->end());
  return true;
}

}  // namespace easel
