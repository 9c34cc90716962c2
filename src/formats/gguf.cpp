#include "formats/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/mapped_file.h"

namespace easel {
namespace {

constexpr uint64_t kMaxKeyValues = 65'536, kMaxTensors = 65'536, kMaxText = 1 << 20, kMaxName = 4096,
                   kMaxArrayItems = 2'000'000, kMaxAlignment = 1 << 20;
constexpr uint32_t kMaxExtents = 4;

// ggml's numbers of its types.
struct PlainRow {
  uint32_t number;
  Dtype dtype;
};
constexpr std::array kPlain = {PlainRow{0, Dtype::F32},  PlainRow{1, Dtype::F16},  PlainRow{24, Dtype::I8},
                               PlainRow{25, Dtype::I16}, PlainRow{26, Dtype::I32}, PlainRow{27, Dtype::I64},
                               PlainRow{28, Dtype::F64}, PlainRow{30, Dtype::BF16}};
struct QuantRow {
  uint32_t number;
  Quant quant;
  QuantBlock block;
};
constexpr std::array kQuants = {
    QuantRow{2, Quant::Q4_0, {"Q4_0", 32, 18}},      QuantRow{3, Quant::Q4_1, {"Q4_1", 32, 20}},
    QuantRow{6, Quant::Q5_0, {"Q5_0", 32, 22}},      QuantRow{7, Quant::Q5_1, {"Q5_1", 32, 24}},
    QuantRow{8, Quant::Q8_0, {"Q8_0", 32, 34}},      QuantRow{10, Quant::Q2_K, {"Q2_K", 256, 84}},
    QuantRow{11, Quant::Q3_K, {"Q3_K", 256, 110}},   QuantRow{12, Quant::Q4_K, {"Q4_K", 256, 144}},
    QuantRow{13, Quant::Q5_K, {"Q5_K", 256, 176}},   QuantRow{14, Quant::Q6_K, {"Q6_K", 256, 210}},
    QuantRow{20, Quant::IQ4_NL, {"IQ4_NL", 32, 18}}, QuantRow{23, Quant::IQ4_XS, {"IQ4_XS", 256, 136}}};

template <class Rows>
auto row_of(const Rows& rows, uint32_t number) -> decltype(&rows[0]) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.number == number; });
  return found == rows.end() ? nullptr : &*found;
}

// The types of key-values, by GGUF's numbers.
enum ValueType : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kText, kArray, kU64, kI64, kF64, kTypes };
constexpr std::array<uint8_t, kTypes> kLeastBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

struct Info {
  std::string name;
  uint32_t type = 0;
  std::vector<int64_t> shape;
  int64_t elements = 1;
  uint64_t offset = 0;
};

class Reader {
 public:
  Reader(std::span<const std::byte> file, const std::string& name) : file_(file), name_(name) {}

  TensorFile::Content read() {
    read_counts();
    for (uint64_t i = 0; i < key_values_; ++i) read_key_value();
    std::vector<Info> infos;
    for (uint64_t i = 0; i < tensors_; ++i) infos.push_back(read_info());
    place(infos);
    return std::move(content_);
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail("load_gguf: '{}': {}", name_, fmt::format(format, std::forward<Args>(args)...));
  }

  std::span<const std::byte> take(uint64_t size) {
    if (size > file_.size() - at_) {
      fail("load_gguf: '{}' ends at byte {} where {} more are promised; perhaps the download was cut short", name_,
           file_.size(), size - (file_.size() - at_));
    }
    const auto part = file_.subspan(at_, size);
    at_ += size;
    return part;
  }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text(uint64_t most, std::string_view what) {
    const auto length = number<uint64_t>();
    if (length > most) refuse("a {} of {} bytes, at most {} are taken", what, length, most);
    const auto bytes = take(length);
    std::string out(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return out;
  }
  std::string key(std::string_view what) {
    std::string out = text(kMaxName, what);
    if (!is_utf8(out) || out.find('\0') != out.npos) refuse("a {} that is no UTF-8 text", what);
    return out;
  }

  void read_counts() {
    take(4);  // "GGUF"
    const auto version = number<uint32_t>();
    if (version == __builtin_bswap32(2) || version == __builtin_bswap32(3))
      refuse("it is big-endian, which is not read");
    if (version != 2 && version != 3) refuse("it is of version {}; 2 and 3 are read", version);
    tensors_ = number<uint64_t>();
    key_values_ = number<uint64_t>();
    if (tensors_ > kMaxTensors || key_values_ > kMaxKeyValues) {
      refuse("it claims {} tensors and {} key-values, at most {} of each are taken", tensors_, key_values_,
             kMaxTensors);
    }
  }

  Json value(uint32_t type) {
    const auto real = [](double x) { return std::isfinite(x) ? Json(x) : Json(nullptr); };
    switch (type) {
      case kU8:
        return number<uint8_t>();
      case kI8:
        return number<int8_t>();
      case kU16:
        return number<uint16_t>();
      case kI16:
        return number<int16_t>();
      case kU32:
        return number<uint32_t>();
      case kI32:
        return number<int32_t>();
      case kF32:
        return real(number<float>());
      case kU64:
        return number<uint64_t>();
      case kI64:
        return number<int64_t>();
      case kF64:
        return real(number<double>());
      case kBool:
        return number<uint8_t>() != 0;
      case kText: {
        std::string read = text(kMaxText, "text");
        return is_utf8(read) ? std::move(read) : valid_utf8(read);
      }
      default:
        refuse("a key-value of type {}, which is not known", type);
    }
  }

  Json array() {
    const auto type = number<uint32_t>();
    const auto count = number<uint64_t>();
    if (type == kArray || type >= kTypes) refuse("an array of type {}, which is not known", type);
    if (count > kMaxArrayItems - items_) refuse("arrays of {} items, at most {} are taken", count, kMaxArrayItems);
    if (count > (file_.size() - at_) / kLeastBytes[type]) {
      fail("load_gguf: '{}' ends at byte {}, within an array of {} items; perhaps the download was cut short", name_,
           file_.size(), count);
    }
    items_ += count;
    Json out = Json::array();
    out.get_ref<Json::array_t&>().reserve(count);
    for (uint64_t i = 0; i < count; ++i) out.push_back(value(type));
    return out;
  }

  void read_key_value() {
    const std::string name = key("key");
    const auto type = number<uint32_t>();
    Json read = type == kArray ? array() : value(type);
    if (type == kText) content_.metadata.emplace(name, read.get<std::string>());
    if (!content_.values.emplace(name, std::move(read)).second) refuse("the key '{}' stands twice", name);
  }

  Info read_info() {
    Info info;
    info.name = key("tensor name");
    const auto extents = number<uint32_t>();
    if (extents > kMaxExtents) refuse("'{}' has {} dimensions, at most {} are known", info.name, extents, kMaxExtents);
    for (uint32_t i = 0; i < extents; ++i) info.shape.insert(info.shape.begin(), number<int64_t>());
    for (const int64_t extent : info.shape) {
      if (extent < 0 || __builtin_mul_overflow(info.elements, extent, &info.elements))
        refuse("the shape of '{}' overflows", info.name);
    }
    info.type = number<uint32_t>();
    info.offset = number<uint64_t>();
    return info;
  }

  uint64_t alignment() const {
    const auto given = content_.values.find("general.alignment");
    if (given == content_.values.end()) return 32;
    const uint64_t alignment = given->is_number_unsigned() ? given->get<uint64_t>() : 0;
    if (!std::has_single_bit(alignment) || alignment < 8 || alignment > kMaxAlignment)
      refuse("an alignment of {}; a power of two from 8 to {} is wanted", given->dump(), kMaxAlignment);
    return alignment;
  }

  // The data begin at the next multiple of the alignment; offsets count from there.
  void place(const std::vector<Info>& infos) {
    const uint64_t alignment = this->alignment(), begin = (at_ + alignment - 1) / alignment * alignment;
    const auto data = begin > file_.size() ? std::span<const std::byte>() : file_.subspan(begin);
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    for (const Info& info : infos) {
      const PlainRow* plain = row_of(kPlain, info.type);
      const QuantRow* packed = row_of(kQuants, info.type);
      if (!plain && !packed) refuse("'{}' is of ggml's type {}, which is not read", info.name, info.type);
      const uint64_t size = size_of(info, packed ? packed->block : block_of(plain->dtype));
      if (info.offset % alignment != 0)
        refuse("'{}' begins at {}, no multiple of {}", info.name, info.offset, alignment);
      if (info.offset > data.size() || size > data.size() - info.offset) {
        fail("load_gguf: '{}' ends at byte {}, before '{}' does ({} bytes from {}); perhaps the download was cut short",
             name_, file_.size(), info.name, size, info.offset);
      }
      ranges.emplace_back(info.offset, info.offset + size);
      const auto bytes = data.subspan(info.offset, size);
      const bool first = !content_.tensors.contains(info.name) && !content_.quantised.contains(info.name);
      if (!first) refuse("the tensor '{}' stands twice", info.name);
      if (plain) content_.tensors.emplace(info.name, TensorSpan{plain->dtype, info.shape, bytes});
      if (packed) content_.quantised.emplace(info.name, QuantSpan{packed->quant, info.shape, bytes});
    }
    std::sort(ranges.begin(), ranges.end());
    for (size_t i = 1; i < ranges.size(); ++i) {
      if (ranges[i].first < ranges[i - 1].second) refuse("two tensors overlap at {}", ranges[i].first);
    }
  }

  static QuantBlock block_of(Dtype dtype) { return {dtype_name(dtype), 1, static_cast<int64_t>(dtype_size(dtype))}; }
  // Bytes of so many blocks; a plain number is a block of one.
  uint64_t size_of(const Info& info, const QuantBlock& block) const {
    const int64_t row = info.shape.empty() ? 1 : info.shape.back();
    if (row % block.elements != 0)
      refuse("'{}' has rows of {} numbers, which {} packs by {}", info.name, row, block.name, block.elements);
    int64_t size;
    if (__builtin_mul_overflow(info.elements / block.elements, block.bytes, &size))
      refuse("the shape of '{}' overflows", info.name);
    return static_cast<uint64_t>(size);
  }

  std::span<const std::byte> file_;
  const std::string& name_;
  uint64_t at_ = 0, tensors_ = 0, key_values_ = 0, items_ = 0;  // items_: of all arrays
  TensorFile::Content content_;
};

}  // namespace

QuantBlock quant_block(Quant quant) { return kQuants[static_cast<size_t>(quant)].block; }

int64_t QuantSpan::elements() const {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

TensorFile::Content parse_gguf(std::span<const std::byte> file, const std::string& name) {
  return Reader(file, name).read();
}

TensorFilePtr load_gguf(const std::filesystem::path& path) {
  const auto file = MappedFile::open("load_gguf", path);
  TensorFile::Content content = parse_gguf(file->bytes(), path.filename().string());
  content.path = path;
  content.memory.push_back(file);
  return std::make_shared<TensorFile>(std::move(content));
}

}  // namespace easel
