// From what a pickle holds to named tensors and plain values.
#pragma once
#include <map>
#include <string>

#include "formats/unpickler.h"

namespace easel::pickle {

struct Tree {
  std::map<std::string, Id> tensors;          // dotted names
  std::map<std::string, Id> plain;            // numbers, texts, booleans, nulls
  std::map<std::string, std::string> opaque;  // name -> class
};

// Lifts the state dict and flattens it, as load_pickle's comment says. Throws Error if there is no tensor, or if an
// object of an unknown class stands within a lifted state dict.
Tree flatten(const Unpickler& pickle, Id root, const std::string& name);

}  // namespace easel::pickle
