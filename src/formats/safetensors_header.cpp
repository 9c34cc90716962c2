#include "formats/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/error.h"

namespace easel {
namespace {

struct Entry {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape, offsets;
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

// Reads the header's JSON as it streams by. What stands where:
//   { "__metadata__": null | {text: text}, NAME: {"dtype": text, "shape": [n…], "data_offsets": [n, n], …} }
// Other members of a tensor are passed over, as the reference does. A handler returns false to stop the parser.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string problem;

  bool null() override {
    if (depth_ != 1 || key_ != kMetadata) return plain();
    return std::exchange(seen_metadata_, true) ? stop("'__metadata__' stands twice") : true;
  }
  bool boolean(bool) override { return plain(); }
  bool number_integer(int64_t) override { return plain(); }
  bool number_float(double, const std::string&) override { return plain(); }
  bool binary(binary_t&) override { return plain(); }

  bool number_unsigned(uint64_t value) override {
    if (!numbers_) return plain();
    numbers_->push_back(value);
    return numbers_->size() <= kMaxDimensions ? true : stop("a shape or offset has too many numbers");
  }

  bool string(std::string& value) override {
    if (in_metadata_ && depth_ == 2) {
      if (!metadata.emplace(key_, std::move(value)).second) return stop("its metadata has '" + key_ + "' twice");
      return true;
    }
    if (in_tensor() && key_ == "dtype") {
      if (std::exchange(entries.back().has_dtype, true)) return stop("'dtype' stands twice");
      entries.back().dtype = std::move(value);
      return true;
    }
    return plain();
  }

  bool key(std::string& value) override {
    key_ = std::move(value);
    return true;
  }

  bool start_object(size_t) override {
    if (depth_ == 1) {
      in_metadata_ = key_ == kMetadata;
      if (in_metadata_ && std::exchange(seen_metadata_, true)) return stop("'__metadata__' stands twice");
      if (!in_metadata_) entries.push_back({.name = key_});
    } else if (depth_ > 1 && !plain()) {
      return false;
    }
    return deeper();
  }
  bool end_object() override {
    --depth_;
    return true;
  }

  bool start_array(size_t) override {
    const bool shape = in_tensor() && key_ == "shape", offsets = in_tensor() && key_ == "data_offsets";
    if (depth_ == 0) return stop("it is no JSON object");
    if (shape || offsets) {
      Entry& entry = entries.back();
      if (std::exchange(shape ? entry.has_shape : entry.has_offsets, true)) return stop("'" + key_ + "' stands twice");
      numbers_ = shape ? &entry.shape : &entry.offsets;
    } else if (!plain()) {
      return false;
    }
    return deeper();
  }
  bool end_array() override {
    numbers_ = nullptr;
    --depth_;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return stop(fmt::format("it is no valid JSON (at byte {})", position));
  }

 private:
  static constexpr std::string_view kMetadata = "__metadata__";
  static constexpr int kMaxDepth = 127;  // serde_json's
  static constexpr size_t kMaxDimensions = 1000;

  bool in_tensor() const { return depth_ == 2 && !in_metadata_; }

  bool stop(std::string why) {
    problem = std::move(why);
    return false;
  }
  bool deeper() { return ++depth_ <= kMaxDepth ? true : stop("it is nested too deep"); }

  // A value that only an unknown member of a tensor may have.
  bool plain() {
    if (numbers_) return stop("a shape or offset is no whole number from 0 to 2^64 - 1");
    if (depth_ == 0) return stop("it is no JSON object");
    if (depth_ == 1) return stop("'" + key_ + "' is no object");
    if (in_metadata_) return stop("its metadata holds something other than text");
    if (depth_ == 2 && (key_ == "dtype" || key_ == "shape" || key_ == "data_offsets"))
      return stop("'" + key_ + "' is of the wrong kind");
    return true;
  }

  std::string key_;
  int depth_ = 0;
  bool in_metadata_ = false, seen_metadata_ = false;
  std::vector<uint64_t>* numbers_ = nullptr;  // the shape or offsets being read
};

// shape × size of dtype; nothing on overflow.
std::optional<uint64_t> bytes_of(const std::vector<uint64_t>& shape, Dtype dtype) {
  uint64_t count = 1;
  for (const uint64_t extent : shape) {
    if (extent > INT64_MAX || __builtin_mul_overflow(count, extent, &count)) return std::nullopt;
  }
  return __builtin_mul_overflow(count, dtype_size(dtype), &count) ? std::nullopt : std::optional(count);
}

void check_size(std::string_view tensor, const std::vector<uint64_t>& shape, Dtype dtype, uint64_t given,
                const std::string& file) {
  const auto wanted = bytes_of(shape, dtype);
  if (!wanted) fail("load_safetensors: '{}': the shape of '{}' overflows", file, tensor);
  if (*wanted != given) {
    fail("load_safetensors: '{}': '{}' has {} bytes where shape [{}] of {} needs {}", file, tensor, given,
         fmt::join(shape, ", "), dtype_name(dtype), *wanted);
  }
}

}  // namespace

uint64_t safetensors_header_length(std::span<const std::byte> first_bytes, uint64_t file_size,
                                   const std::string& name) {
  if (first_bytes.size() < 8 || file_size < 8) {
    fail("load_safetensors: '{}' has {} bytes, too few for a header; perhaps the download was cut short", name,
         file_size);
  }
  uint64_t length;
  std::memcpy(&length, first_bytes.data(), 8);
  if (length > kMaxSafetensorsHeader) {
    fail(
        "load_safetensors: '{}' claims a header of {} bytes, at most {} are allowed; perhaps it is no safetensors file",
        name, length, kMaxSafetensorsHeader);
  }
  if (length + 8 > file_size) {
    fail("load_safetensors: '{}' ends at byte {} of {} promised for its header; perhaps the download was cut short",
         name, file_size, length + 8);
  }
  return length;
}

SafetensorsHeader parse_safetensors(std::span<const std::byte> file, const std::string& name) {
  const uint64_t length = safetensors_header_length(file, file.size(), name);
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + 8, length);
  HeaderReader reader;
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos || text[begin] != '{') reader.problem = "it does not begin with '{'";  // a byte order mark
  if (text.find('\0') != text.npos) reader.problem = "it holds a NUL byte";  // which the JSON reader takes for the end
  if (reader.problem.empty()) Json::sax_parse(text.begin(), text.end(), &reader);
  if (!reader.problem.empty()) fail("load_safetensors: '{}': its header is refused: {}", name, reader.problem);

  for (const Entry& entry : reader.entries) {
    if (!entry.has_dtype || !entry.has_shape || entry.offsets.size() != 2) {
      fail("load_safetensors: '{}': '{}' lacks its dtype, shape or pair of data_offsets", name, entry.name);
    }
  }
  std::sort(reader.entries.begin(), reader.entries.end(),
            [](const Entry& a, const Entry& b) { return a.offsets < b.offsets; });

  SafetensorsHeader header;
  header.metadata = std::move(reader.metadata);
  const std::span<const std::byte> data = file.subspan(8 + length);
  uint64_t position = 0;
  for (Entry& entry : reader.entries) {
    const uint64_t begin = entry.offsets[0], end = entry.offsets[1];
    if (begin != position || end < begin) {
      fail(
          "load_safetensors: '{}': '{}' lies at {} to {} where {} should be its begin; the header has a hole or an "
          "overlap",
          name, entry.name, begin, end, position);
    }
    const auto dtype = dtype_from_name(entry.dtype);
    if (!dtype)
      fail("load_safetensors: '{}': '{}' is of dtype '{}', which is not known here", name, entry.name, entry.dtype);
    check_size(entry.name, entry.shape, *dtype, end - begin, name);
    position = end;
    if (end > data.size()) continue;  // said below, with the whole promise
    TensorSpan span{*dtype, {entry.shape.begin(), entry.shape.end()}, data.subspan(begin, end - begin)};
    if (!header.tensors.emplace(std::move(entry.name), std::move(span)).second) {
      fail("load_safetensors: '{}': its header names a tensor twice", name);
    }
  }
  if (position > data.size()) {
    fail("load_safetensors: '{}' ends at byte {} of {} promised by its header; perhaps the download was cut short",
         name, file.size(), fmt::to_string(position <= UINT64_MAX - 8 - length ? position + 8 + length : position));
  }
  if (position < data.size()) {
    fail("load_safetensors: '{}' has {} bytes after the {} promised by its header; perhaps two files were joined", name,
         data.size() - position, position + 8 + length);
  }
  return header;
}

}  // namespace easel
