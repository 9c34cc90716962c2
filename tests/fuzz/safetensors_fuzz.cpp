// A whole file as load_safetensors maps it: an Error, or spans that lie inside the file and fill it.
#include <cstdlib>

#include "base/error.h"
#include "base/json.h"
#include "formats/safetensors_header.h"

using namespace easel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  try {
    const SafetensorsHeader header = parse_safetensors(file, "fuzz");
    uint64_t total = 0;
    for (const auto& [name, span] : header.tensors) {
      if (span.bytes.size() != static_cast<uint64_t>(span.elements()) * dtype_size(span.dtype)) std::abort();
      if (!span.bytes.empty() && (span.bytes.data() < file.data() || &span.bytes.back() > &file.back())) std::abort();
      total += span.bytes.size();
    }
    if (total + 8 > size) std::abort();
    // What was read can be written, and reads the same.
    const std::vector<std::pair<std::string, TensorSpan>> tensors(header.tensors.begin(), header.tensors.end());
    std::vector<std::byte> again;
    save_safetensors([&](std::span<const std::byte> part) { again.insert(again.end(), part.begin(), part.end()); },
                     tensors, header.metadata);
    const SafetensorsHeader second = parse_safetensors(again, "again");
    if (second.tensors.size() != header.tensors.size() || second.metadata != header.metadata) std::abort();
  } catch (const Error& error) {
    Json(error.what()).dump();  // must be fit to be shown
  }
  return 0;
}
