#include "graph/cache.h"

namespace easel {
namespace {

size_t bytes_of(const NodeResult& result) {
  size_t bytes = sizeof(NodeResult);
  for (const auto& values : result.outputs)
    for (const Value& value : values) bytes += sizeof(Value) + value.bytes();
  return bytes;
}

}  // namespace

void OutputCache::begin(const std::vector<std::optional<Signature>>& signatures, const HasOwner& has_owner) {
  ++generation_;
  for (const auto& signature : signatures)
    if (signature)
      if (auto entry = entries_.find(*signature); entry != entries_.end()) use(entry);
  switch (policy_.kind) {
    case CachePolicy::Kind::kClassic:
      return keep_classic(has_owner);
    case CachePolicy::Kind::kLru:
      return keep_recent();
    case CachePolicy::Kind::kNone:
      return clear();
  }
}

// What the prompt has, and what its expanding nodes made when they last expanded.
void OutputCache::keep_classic(const HasOwner& has_owner) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const Entry& one = entry->second;
    const bool used = one.generation == generation_;
    const bool owned =
        !one.owner.empty() && one.generation >= expanded_[one.owner] && has_owner && has_owner(one.owner);
    entry = used || owned ? std::next(entry) : drop(entry);
  }
  std::erase_if(expanded_, [&](const auto& owner) { return !has_owner || !has_owner(owner.first); });
}

// Prompt by prompt, the oldest first; never what this prompt has.
void OutputCache::keep_recent() {
  while (entries_.size() > policy_.entries) {
    const uint64_t oldest = by_use_.begin()->second->second.generation;
    if (oldest == generation_) return;
    while (!by_use_.empty() && by_use_.begin()->second->second.generation == oldest) drop(by_use_.begin()->second);
  }
}

SharedResult OutputCache::find(const std::optional<Signature>& signature) {
  if (!signature) return nullptr;
  const auto entry = entries_.find(*signature);
  if (entry == entries_.end()) return nullptr;
  use(entry);
  return entry->second.result;
}

void OutputCache::store(const std::optional<Signature>& signature, SharedResult result, const std::string& owner) {
  if (!signature || policy_.kind == CachePolicy::Kind::kNone) return;
  const size_t bytes = bytes_of(*result);
  if (auto before = entries_.find(*signature); before != entries_.end()) drop(before);
  if (bytes > policy_.bytes) return;
  while (bytes_ + bytes > policy_.bytes) drop(by_use_.begin()->second);
  const auto entry = entries_.emplace(*signature, Entry{std::move(result), owner, bytes}).first;
  bytes_ += bytes;
  use(entry);
}

void OutputCache::use(Entries::iterator entry) {
  if (entry->second.used) by_use_.erase(entry->second.used);
  entry->second.used = ++uses_;
  entry->second.generation = generation_;
  by_use_[uses_] = entry;
}

OutputCache::Entries::iterator OutputCache::drop(Entries::iterator entry) {
  by_use_.erase(entry->second.used);
  bytes_ -= entry->second.bytes;
  return entries_.erase(entry);
}

void OutputCache::clear() {
  entries_.clear();
  by_use_.clear();
  expanded_.clear();
  bytes_ = 0;
}

}  // namespace easel
