// What the callables named in a pickle mean. Nothing is ever called: a known few are imitated on data.
#include <algorithm>
#include <array>
#include <string>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/unpickler.h"

namespace easel::pickle {
namespace {

std::string full_name(const Global& global) { return fmt::format("{}.{}", global.module, global.name); }

// Names with no business in a model file and a long record in malicious ones. Refusing them changes nothing about
// safety (nothing runs here); it tells the user what sort of file this is.
bool is_attack(std::string_view module, std::string_view name) {
  static constexpr std::array kModules = {
      "os",    "posix",    "nt",         "subprocess", "sys",       "pty",     "shutil",          "socket",
      "runpy", "commands", "webbrowser", "ctypes",     "importlib", "asyncio", "multiprocessing", "code",
      "bdb",   "pdb",      "pip",        "timeit",     "marshal",   "urllib",  "requests",        "httplib",
      "http",  "aiohttp"};
  static constexpr std::array kBuiltins = {"eval",       "exec",  "execfile",   "compile", "open",
                                           "__import__", "input", "breakpoint", "file"};
  const auto is_in = [](const auto& names, std::string_view what) {
    return std::find(names.begin(), names.end(), what) != names.end();
  };
  if (module == "builtins" || module == "__builtin__") return is_in(kBuiltins, name);
  return is_in(kModules, module.substr(0, module.find('.')));
}

struct StorageType {
  std::string_view name;
  std::optional<Dtype> dtype;
};
constexpr std::array kStorageTypes = {
    StorageType{"DoubleStorage", Dtype::F64}, StorageType{"FloatStorage", Dtype::F32},
    StorageType{"HalfStorage", Dtype::F16},   StorageType{"BFloat16Storage", Dtype::BF16},
    StorageType{"LongStorage", Dtype::I64},   StorageType{"IntStorage", Dtype::I32},
    StorageType{"ShortStorage", Dtype::I16},  StorageType{"CharStorage", Dtype::I8},
    StorageType{"ByteStorage", Dtype::U8},    StorageType{"BoolStorage", Dtype::BOOL},
    StorageType{"UntypedStorage", Dtype::U8}};

std::optional<Dtype> torch_dtype(std::string_view name) {
  struct Row {
    std::string_view name;
    Dtype dtype;
  };
  static constexpr std::array<Row, 20> kRows = {{{"float64", Dtype::F64},
                                                 {"double", Dtype::F64},
                                                 {"float32", Dtype::F32},
                                                 {"float", Dtype::F32},
                                                 {"float16", Dtype::F16},
                                                 {"half", Dtype::F16},
                                                 {"bfloat16", Dtype::BF16},
                                                 {"int64", Dtype::I64},
                                                 {"long", Dtype::I64},
                                                 {"int32", Dtype::I32},
                                                 {"int", Dtype::I32},
                                                 {"int16", Dtype::I16},
                                                 {"int8", Dtype::I8},
                                                 {"uint8", Dtype::U8},
                                                 {"bool", Dtype::BOOL},
                                                 {"uint16", Dtype::U16},
                                                 {"uint32", Dtype::U32},
                                                 {"uint64", Dtype::U64},
                                                 {"float8_e4m3fn", Dtype::F8_E4M3},
                                                 {"float8_e5m2", Dtype::F8_E5M2}}};
  if (name == "float8_e8m0fnu") return Dtype::F8_E8M0;
  const auto* row = std::find_if(kRows.begin(), kRows.end(), [&](const Row& r) { return r.name == name; });
  return row == kRows.end() ? std::nullopt : std::optional(row->dtype);
}

}  // namespace

void Unpickler::spend(size_t items) {
  spent_ += items;
  if (spent_ > kMaxValues) refuse("its pickle repeats itself too often");
}

std::string_view Unpickler::keep(std::string text) { return kept_.emplace_back(std::move(text)); }

std::string_view Unpickler::text_of(Id id) const {
  if (const auto* text = get<Text>(id)) return text->text;
  refuse("its pickle has something other than text where a name is wanted");
}

int64_t Unpickler::integer_of(Id id) const {
  if (const auto* number = get<int64_t>(id)) return *number;
  refuse("its pickle has something other than a whole number in a tensor's description");
}

const std::vector<Id>* Unpickler::items_of(Id id) const {
  if (const auto* tuple = get<Tuple>(id)) return &tuple->items;
  if (const auto* list = get<List>(id)) return &list->items;
  return nullptr;
}

std::optional<std::vector<int64_t>> Unpickler::integers_of(Id id) const {
  const std::vector<Id>* items = items_of(id);
  if (!items || items->size() > 64) return std::nullopt;
  std::vector<int64_t> numbers;
  for (const Id item : *items) numbers.push_back(integer_of(item));
  return numbers;
}

Value Unpickler::global(std::string_view module, std::string_view name) {
  if (!is_utf8(module) || !is_utf8(name)) refuse("its pickle names a class in no known script");
  if (is_attack(module, name)) {
    refuse(fmt::format(
        "unsupported global '{}.{}': a model file must hold only tensors; this one tries to run code, do not trust it",
        module, name));
  }
  return Global{module, name};
}

// (storage, offset, shape, strides, …): a tensor, or nothing where its dtype is not known here.
std::optional<Value> Unpickler::rebuild_tensor(const std::vector<Id>& arguments, size_t dtype_argument) {
  if (arguments.size() < 4) refuse("its pickle describes a tensor with too few arguments");
  const auto* storage = get<Storage>(arguments[0]);
  auto shape = integers_of(arguments[2]), strides = integers_of(arguments[3]);
  if (!storage || !shape || !strides || shape->size() != strides->size()) {
    refuse("its pickle describes a tensor wrongly (no storage, or shape and strides that do not match)");
  }
  std::optional<Dtype> dtype = storage->dtype;
  if (dtype_argument != 0) {
    const auto* named = dtype_argument < arguments.size() ? get<Global>(arguments[dtype_argument]) : nullptr;
    dtype = named && named->module == "torch" ? torch_dtype(named->name) : std::nullopt;
  }
  if (!dtype) return std::nullopt;
  spend(shape->size());
  return Tensor{arguments[0], *dtype, integer_of(arguments[1]), std::move(*shape), std::move(*strides)};
}

Value Unpickler::call_known(const Global& type, const std::vector<Id>& arguments) {
  const std::string name = full_name(type);
  const auto is_builtin = [&](std::string_view what) {
    return type.name == what && (type.module == "builtins" || type.module == "__builtin__");
  };
  if (name == "torch._utils._rebuild_tensor_v2" || name == "torch._utils._rebuild_tensor") {
    if (auto tensor = rebuild_tensor(arguments, 0)) return std::move(*tensor);
  }
  if (name == "torch._utils._rebuild_tensor_v3") {
    if (auto tensor = rebuild_tensor(arguments, 6)) return std::move(*tensor);
  }
  if (type.module == "torch._utils" && type.name.starts_with("_rebuild_parameter") && !arguments.empty()) {
    if (const auto* tensor = get<Tensor>(arguments[0])) {
      spend(tensor->shape.size());
      return *tensor;
    }
  }
  if (name == "torch._tensor._rebuild_from_type_v2" && arguments.size() >= 3) {  // (rebuild, class, arguments, state)
    const auto* rebuild = get<Global>(arguments[0]);
    const auto* inner = items_of(arguments[2]);
    if (rebuild && inner && rebuild->name != type.name) return call_known(*rebuild, *inner);
  }
  static const std::vector<Id> kNothing;
  const auto* content = arguments.empty() ? nullptr : items_of(arguments[0]);
  const auto copied = [&]() -> const std::vector<Id>& {
    spend(content ? content->size() : 0);
    return content ? *content : kNothing;
  };
  if (name == "torch.Size" || is_builtin("tuple")) return Tuple{copied()};
  if (is_builtin("set") || is_builtin("frozenset") || is_builtin("list")) return List{copied()};
  if (name == "collections.OrderedDict" || name == "collections.defaultdict" || is_builtin("dict")) {
    Dict dict;
    for (const Id entry : copied()) {
      const auto* pair = items_of(entry);
      if (pair && pair->size() == 2) dict.entries.emplace_back((*pair)[0], (*pair)[1]);
    }
    return dict;
  }
  if (name == "_codecs.encode" && !arguments.empty()) {  // bytes, as Python 3 writes them for protocol 2
    if (const auto* text = get<Text>(arguments[0])) return Bytes{text->text};
  }
  return Opaque{type, std::nullopt};
}

Value Unpickler::call(Id callable, Id arguments) {
  const auto* items = items_of(arguments);
  if (!items) refuse("its pickle calls something without a list of arguments");
  if (const auto* opaque = get<Opaque>(callable)) return Opaque{opaque->type, std::nullopt};
  const auto* type = get<Global>(callable);
  if (!type) refuse("its pickle calls something that is no function");
  // copyreg._reconstructor(class, base, state) and __newobj__(class, …): an object of that class.
  const bool through_copyreg = type->module == "copy_reg" || type->module == "copyreg";
  const auto* made = through_copyreg && !items->empty() ? get<Global>((*items)[0]) : nullptr;
  if (made) return call_known(*made, {});
  return call_known(*type, *items);
}

// The attributes of a known container (OrderedDict's _metadata) and of a tensor are of no use.
void Unpickler::build(Id object, Id state) {
  if (auto* opaque = std::get_if<Opaque>(&values_[object])) opaque->state = state;
}

// ('storage', type, key, location, elements[, view]), as torch's persistent ids are.
Id Unpickler::persistent(Id reference) {
  const auto* items = items_of(reference);
  if (!items || items->size() < 2) refuse("its pickle refers outside itself in a way that torch.save does not");
  const std::string_view kind = text_of((*items)[0]);
  if (kind == "module") return (*items)[1];  // (module, class, source file, source)
  if (kind != "storage" || items->size() < 5)
    refuse("its pickle refers outside itself in a way that torch.save does not");
  if (items->size() > 5 && !get<None>((*items)[5]))
    refuse("it shares storages in the manner of torch before 0.4, which is not read");

  const auto* type = get<Global>((*items)[1]);
  const int64_t* key_number = get<int64_t>((*items)[2]);
  const std::string_view key = key_number ? keep(std::to_string(*key_number)) : text_of((*items)[2]);
  const int64_t elements = integer_of((*items)[4]);
  if (!type || !type->module.starts_with("torch") || elements < 0 || !is_utf8(key))
    refuse("its pickle describes a storage wrongly");
  Storage storage{key, std::nullopt, type->name == "UntypedStorage", elements};
  for (const StorageType& known : kStorageTypes) {
    if (known.name == type->name) storage.dtype = known.dtype;
  }
  if (const auto known = storages_.find(key); known != storages_.end()) {
    const Storage& first = std::get<Storage>(values_[known->second]);
    if (first.dtype != storage.dtype || first.elements != storage.elements || first.untyped != storage.untyped) {
      refuse(fmt::format("its pickle describes the storage '{}' in two ways", key));
    }
    return known->second;
  }
  const Id id = push(storage);
  stack_.pop_back();
  storages_.emplace(key, id);
  return id;
}

}  // namespace easel::pickle
