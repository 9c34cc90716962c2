#include "formats/torch_file.h"

#include <cstring>
#include <functional>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/mapped_file.h"
#include "formats/torch_tree.h"
#include "formats/torch_zip.h"

namespace easel {
namespace {

using namespace pickle;

// Gives a storage's bytes, at least `needed` of them, by its key.
using StorageBytes = std::function<std::span<const std::byte>(std::string_view key, uint64_t needed)>;

uint64_t storage_size(const Storage& storage) {
  const uint64_t element = storage.untyped || !storage.dtype ? 1 : dtype_size(*storage.dtype);
  uint64_t size;
  if (__builtin_mul_overflow(static_cast<uint64_t>(storage.elements), element, &size))
    fail("load_pickle: a storage's size overflows");
  return size;
}

// Makes spans of the tensors a pickle describes, each checked against its storage.
class Materialiser {
 public:
  Materialiser(const Unpickler& pickle, const StorageBytes& bytes, uint64_t file_size, const std::string& name)
      : pickle_(pickle), bytes_(bytes), budget_(4 * file_size + (64u << 20)), name_(name) {}

  TensorSpan span_of(const Tensor& tensor, const std::string& tensor_name) {
    const Storage& storage = *pickle_.get<Storage>(tensor.storage);
    const std::span<const std::byte> all = bytes_(storage.key, storage_size(storage));
    const size_t element = dtype_size(tensor.dtype);
    const Extent extent = extent_of(tensor, tensor_name);
    TensorSpan span{tensor.dtype, tensor.shape, {}};
    if (extent.elements == 0) return span;
    if (tensor.offset < 0 || static_cast<uint64_t>(tensor.offset) > all.size() / element ||
        extent.reach > all.size() / element - static_cast<uint64_t>(tensor.offset)) {
      fail("load_pickle: '{}': '{}' reaches {} elements into a storage of {}", name_, tensor_name, extent.reach,
           all.size() / element);
    }
    span.bytes = all.subspan(static_cast<size_t>(tensor.offset) * element, extent.reach * element);
    if (!extent.contiguous || !span.is_aligned()) span.bytes = copied(tensor, extent.elements, span.bytes);
    return span;
  }

  std::vector<std::shared_ptr<const void>> memory;

 private:
  struct Extent {
    uint64_t elements = 1, reach = 1;  // reach: from the first element to behind the last
    bool contiguous = true;
  };

  Extent extent_of(const Tensor& tensor, const std::string& tensor_name) const {
    Extent extent;
    uint64_t expected = 1;  // the stride of a contiguous tensor
    bool overflow = false;
    for (size_t i = tensor.shape.size(); i-- > 0;) {
      const int64_t size = tensor.shape[i], stride = tensor.strides[i];
      if (size < 0 || stride < 0) fail("load_pickle: '{}': '{}' has a negative size or stride", name_, tensor_name);
      if (size == 0) return {0, 0, true};
      uint64_t step;
      overflow |= __builtin_mul_overflow(static_cast<uint64_t>(size - 1), static_cast<uint64_t>(stride), &step);
      overflow |= __builtin_add_overflow(extent.reach, step, &extent.reach);
      overflow |= __builtin_mul_overflow(extent.elements, static_cast<uint64_t>(size), &extent.elements);
      if (size > 1 && static_cast<uint64_t>(stride) != expected) extent.contiguous = false;
      overflow |= __builtin_mul_overflow(expected, static_cast<uint64_t>(size), &expected);
    }
    if (overflow || extent.elements > INT64_MAX)
      fail("load_pickle: '{}': the shape of '{}' overflows", name_, tensor_name);
    return extent;
  }

  // Row-major copy of a strided view, or of an unaligned one.
  std::span<const std::byte> copied(const Tensor& tensor, uint64_t elements, std::span<const std::byte> source) {
    const size_t element = dtype_size(tensor.dtype);
    if (elements > budget_ / element)
      fail("load_pickle: '{}': its views unfold to far more bytes than the file has", name_);
    budget_ -= elements * element;
    const Block block = Block::of(elements * element);
    std::byte* out = block.memory.get();
    const size_t rank = tensor.shape.size();
    std::vector<int64_t> index(rank, 0);
    for (uint64_t done = 0; done < elements; ++done, out += element) {
      uint64_t at = 0;
      for (size_t i = 0; i < rank; ++i) at += static_cast<uint64_t>(index[i] * tensor.strides[i]);
      std::memcpy(out, source.data() + at * element, element);
      for (size_t i = rank; i-- > 0 && ++index[i] == tensor.shape[i];) index[i] = 0;
    }
    memory.push_back(block.memory);
    return block.bytes;
  }

  const Unpickler& pickle_;
  const StorageBytes& bytes_;
  uint64_t budget_;  // bytes that copies may still take
  const std::string& name_;
};

Json plain_value(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* number = std::get_if<int64_t>(&value)) return *number;
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* text = std::get_if<Text>(&value); text && is_utf8(text->text)) return text->text;
  return nullptr;
}

TensorFile::Content content_of(const Unpickler& pickle, Id root, const StorageBytes& bytes, uint64_t file_size,
                               const std::string& name) {
  const Tree tree = flatten(pickle, root, name);
  Materialiser materialiser(pickle, bytes, file_size, name);
  TensorFile::Content content;
  for (const auto& [key, id] : tree.tensors) {
    content.tensors.emplace(key, materialiser.span_of(*pickle.get<Tensor>(id), key));
  }
  for (const auto& [key, id] : tree.plain) content.values[key] = plain_value(pickle[id]);
  content.memory = std::move(materialiser.memory);
  return content;
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TensorFile::Content parse_zip(std::span<const std::byte> file, const std::string& name) {
  const TorchZip zip(file, name);
  const auto order = zip.read("byteorder", 64);
  if (order && text_of(order->bytes) != "little") fail("load_pickle: '{}' is big-endian, which is not read", name);
  const auto data = zip.read("data.pkl", kMaxPickle);
  if (!data) fail("load_pickle: '{}' has no data.pkl", name);
  Unpickler pickle(name);
  const Id root = pickle.read(text_of(data->bytes)).first;

  std::map<std::string, Block, std::less<>> blocks;
  uint64_t total = 0;
  const StorageBytes bytes = [&](std::string_view key, uint64_t needed) -> std::span<const std::byte> {
    const auto known = blocks.find(key);
    if (known != blocks.end()) return known->second.bytes.first(needed);
    // Stored entries cannot be larger together than the file, unless they overlap.
    auto block = zip.read("data/" + std::string(key), file.size() - total);
    if (!block) fail("load_pickle: '{}' lacks the storage '{}' that its pickle names", name, key);
    if (block->bytes.size() < needed) {
      fail("load_pickle: '{}': the storage '{}' has {} bytes of {} promised", name, key, block->bytes.size(), needed);
    }
    total += block->bytes.size();
    return blocks.emplace(key, std::move(*block)).first->second.bytes.first(needed);
  };
  TensorFile::Content content = content_of(pickle, root, bytes, file.size(), name);
  for (auto& [key, block] : blocks) content.memory.push_back(std::move(block.memory));
  return content;
}

// magic, protocol version, a dict about the system, the object, the list of storage keys, then for each key in that
// order: the number of elements (8 bytes) and the elements.
TensorFile::Content parse_legacy(std::span<const std::byte> file, const std::string& name) {
  using namespace std::string_view_literals;
  constexpr auto kMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv;  // LONG1 0x1950a86a20f9469cfc6c
  const std::string_view text = text_of(file);
  if (text.substr(0, 64).find(kMagic) != 2) {
    fail("load_pickle: '{}' is a pickle, but none that torch.save wrote; a model file must hold only tensors", name);
  }
  size_t at = 2 + kMagic.size();
  Unpickler preface(name);
  at += preface.read(text.substr(at)).second;
  const auto [system, system_size] = preface.read(text.substr(at));
  at += system_size;
  if (const auto* about = preface.get<Dict>(system)) {
    for (const auto& [key, value] : about->entries) {
      const auto* word = preface.get<Text>(key);
      const bool* little = preface.get<bool>(value);
      if (word && word->text == "little_endian" && little && !*little)
        fail("load_pickle: '{}' is big-endian, which is not read", name);
    }
  }
  Unpickler pickle(name);
  const auto [root, root_size] = pickle.read(text.substr(at));
  at += root_size;
  Unpickler trailer(name);
  const auto [keys, keys_size] = trailer.read(text.substr(at));
  at += keys_size;
  const auto* list = trailer.get<List>(keys);
  if (!list) fail("load_pickle: '{}' has no list of storages", name);

  std::map<std::string_view, std::span<const std::byte>> storages;
  for (const Id id : list->items) {
    const auto* key = trailer.get<Text>(id);
    const auto known = key ? pickle.storages().find(key->text) : pickle.storages().end();
    if (known == pickle.storages().end()) fail("load_pickle: '{}' lists a storage that its pickle does not name", name);
    const Storage& storage = *pickle.get<Storage>(known->second);
    uint64_t elements = 0;
    const uint64_t size = storage_size(storage);
    if (file.size() - at < 8 || size > file.size() - at - 8) {
      fail("load_pickle: '{}' ends at byte {} of {} promised; perhaps the download was cut short", name, file.size(),
           at + 8 + size);
    }
    std::memcpy(&elements, file.data() + at, 8);
    if (!storage.dtype || elements != static_cast<uint64_t>(storage.elements)) {
      fail("load_pickle: '{}': the storage '{}' is not of the size its pickle says", name, storage.key);
    }
    storages[storage.key] = file.subspan(at + 8, size);
    at += 8 + size;
  }
  const StorageBytes bytes = [&](std::string_view key, uint64_t) {
    const auto known = storages.find(key);
    if (known == storages.end()) fail("load_pickle: '{}' lacks the storage '{}' that its pickle names", name, key);
    return known->second;
  };
  return content_of(pickle, root, bytes, file.size(), name);
}

}  // namespace

TensorFile::Content parse_torch_file(std::span<const std::byte> file, const std::string& name) {
  return text_of(file).starts_with("PK") ? parse_zip(file, name) : parse_legacy(file, name);
}

TensorFilePtr load_pickle(const std::filesystem::path& path) {
  const auto file = MappedFile::open("load_pickle", path);
  TensorFile::Content content = parse_torch_file(file->bytes(), path.filename().string());
  content.path = path;
  content.memory.push_back(file);
  return std::make_shared<TensorFile>(std::move(content));
}

}  // namespace easel
