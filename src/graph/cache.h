// Outputs of nodes by signature, between prompts and within one. Used from one thread.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/signature.h"
#include "graph/value.h"

namespace easel {

// What running a node gave: a list of values for every output, and what it shows.
struct NodeResult {
  std::vector<std::vector<Value>> outputs;
  OrderedJson ui;  // null for nothing
};
using SharedResult = std::shared_ptr<const NodeResult>;

// What is kept. Whatever the kind, results beyond `bytes` are let go, those first that were used longest ago.
struct CachePolicy {
  enum class Kind {
    kClassic,  // what the last prompt had
    kLru,      // what the last prompts had, at least; older ones go until at most `entries` are left
    kNone,     // nothing: a result lives until the nodes that are linked to it have run
  };
  Kind kind = Kind::kClassic;
  size_t entries = 0;
  size_t bytes = SIZE_MAX;
};

class OutputCache {
 public:
  explicit OutputCache(CachePolicy policy = {}) : policy_(policy) {}

  // A prompt starts that has nodes of these signatures; `has_owner`: whether an owner (see store) is in it. Lets go
  // what the policy has no use for then.
  using HasOwner = std::function<bool(const std::string& owner)>;
  void begin(const std::vector<std::optional<Signature>>& signatures, const HasOwner& has_owner = {});

  SharedResult find(const std::optional<Signature>& signature);  // null if there is none
  // `owner`: for a node that another one made, the node of the prompt as sent from which it comes: its results stay as
  // long as that does, and are replaced when it expands into others.
  void store(const std::optional<Signature>& signature, SharedResult result, const std::string& owner = "");
  void expands(const std::string& owner) { expanded_[owner] = generation_; }
  void clear();

  CachePolicy::Kind kind() const { return policy_.kind; }
  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    SharedResult result;
    std::string owner;
    size_t bytes = 0;
    uint64_t used = 0;        // when, in the order of uses
    uint64_t generation = 0;  // in which prompt
  };
  using Entries = std::map<Signature, Entry>;
  void use(Entries::iterator entry);
  Entries::iterator drop(Entries::iterator entry);
  void keep_classic(const HasOwner& has_owner);
  void keep_recent();

  const CachePolicy policy_;
  Entries entries_;
  std::map<uint64_t, Entries::iterator> by_use_;
  std::map<std::string, uint64_t> expanded_;  // the last prompt in which an owner expanded
  uint64_t generation_ = 0, uses_ = 0;
  size_t bytes_ = 0;
};

}  // namespace easel
