#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "formats/mapped_file.h"
#include "formats/safetensors_header.h"
#include "formats/tensor_file.h"

namespace easel {
namespace {

using NamedSpans = std::vector<std::pair<std::string, TensorSpan>>;

std::string quoted(const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    fail("save_safetensors: a name or metadata text of {} bytes is not UTF-8", text.size());
  }
}

// Falling alignment, then name: every tensor stays aligned.
std::vector<const NamedSpans::value_type*> in_file_order(const NamedSpans& tensors) {
  std::vector<const NamedSpans::value_type*> order;
  for (const auto& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    const size_t left = dtype_size(a->second.dtype), right = dtype_size(b->second.dtype);
    return left != right ? left > right : a->first < b->first;
  });
  return order;
}

std::string header_text(const std::vector<const NamedSpans::value_type*>& order, const Metadata& metadata) {
  std::vector<std::string> members, texts;
  for (const auto& [key, value] : metadata) texts.push_back(quoted(key) + ":" + quoted(value));
  if (!metadata.empty()) members.push_back(fmt::format("\"__metadata__\":{{{}}}", fmt::join(texts, ",")));
  uint64_t position = 0;
  for (const auto* tensor : order) {
    const auto& [name, span] = *tensor;
    if (name == "__metadata__") fail("save_safetensors: a tensor cannot be named '__metadata__'");
    if (static_cast<uint64_t>(span.elements()) * dtype_size(span.dtype) != span.bytes.size()) {
      fail("save_safetensors: '{}' has {} bytes where its shape needs {} elements of {}", name, span.bytes.size(),
           span.elements(), dtype_name(span.dtype));
    }
    const uint64_t end = position + span.bytes.size();
    members.push_back(fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", quoted(name),
                                  dtype_name(span.dtype), fmt::join(span.shape, ","), position, end));
    position = end;
  }
  std::string text = fmt::format("{{{}}}", fmt::join(members, ","));
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kMaxSafetensorsHeader) fail("save_safetensors: a header of {} bytes is too large", text.size());
  return text;
}

}  // namespace

TensorFilePtr load_safetensors(const std::filesystem::path& path) {
  auto file = MappedFile::open("load_safetensors", path);
  SafetensorsHeader header = parse_safetensors(file->bytes(), path.filename().string());
  return std::make_shared<TensorFile>(TensorFile::Content{.path = path,
                                                          .tensors = std::move(header.tensors),
                                                          .metadata = std::move(header.metadata),
                                                          .memory = {std::move(file)}});
}

void save_safetensors(const ByteSink& out, const NamedSpans& tensors, const Metadata& metadata) {
  const auto order = in_file_order(tensors);
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i]->first == order[i - 1]->first) fail("save_safetensors: two tensors are named '{}'", order[i]->first);
  }
  const std::string header = header_text(order, metadata);
  const uint64_t length = header.size();
  out(std::as_bytes(std::span(&length, 1)));
  out(std::as_bytes(std::span(header)));
  for (const auto* tensor : order) out(tensor->second.bytes);
}

uint64_t safetensors_size(const NamedSpans& tensors, const Metadata& metadata) {
  uint64_t size = 8 + header_text(in_file_order(tensors), metadata).size();
  for (const auto& [name, span] : tensors) size += span.bytes.size();
  return size;
}

std::optional<Json> safetensors_metadata(const std::filesystem::path& path) {
  constexpr uint64_t kMaxLength = 1 << 20;
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  uint64_t length = 0;
  if (!file.read(reinterpret_cast<char*>(&length), 8) || length > kMaxLength) return std::nullopt;
  std::string text(length, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(length))) return std::nullopt;
  const auto only_metadata = [](int depth, Json::parse_event_t event, Json& key) {
    return depth != 1 || event != Json::parse_event_t::key || key == "__metadata__";
  };
  const Json header = Json::parse(text, only_metadata, false);
  if (!header.is_object() || !header.contains("__metadata__") || !header["__metadata__"].is_object())
    return std::nullopt;
  return header["__metadata__"];
}

}  // namespace easel
