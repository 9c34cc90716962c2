// What a pickle may hold once read as data. Values live in one arena and point to each other by number: cycles and deep
// nesting cost nothing, and nothing is destroyed recursively.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "formats/tensor_file.h"

namespace easel::pickle {

using Id = uint32_t;

struct None {};
struct Text {
  std::string_view text;
};
struct Bytes {
  std::string_view bytes;
};
struct List {  // and sets
  std::vector<Id> items;
};
struct Tuple {
  std::vector<Id> items;
};
struct Dict {
  std::vector<std::pair<Id, Id>> entries;
};
// The name of a class or function, not the thing.
struct Global {
  std::string_view module, name;
};
// A run of elements kept beside the pickle. Of a dtype that is not known here: none.
struct Storage {
  std::string_view key;
  std::optional<Dtype> dtype;
  bool untyped = false;  // elements are bytes; the tensor tells the dtype
  int64_t elements = 0;
};
struct Tensor {
  Id storage = 0;
  Dtype dtype = Dtype::F32;
  int64_t offset = 0;  // in elements of dtype
  std::vector<int64_t> shape, strides;
};
// An object of a class unknown here: inert, with what was to be its inside.
struct Opaque {
  Global type;
  std::optional<Id> state;
};

using Value =
    std::variant<None, bool, int64_t, double, Text, Bytes, List, Tuple, Dict, Global, Storage, Tensor, Opaque>;

}  // namespace easel::pickle
