// A whole file as load_gguf maps it: an Error, or spans that lie inside the file.
#include <cstdlib>

#include "base/error.h"
#include "formats/gguf.h"

using namespace easel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  const auto check = [&](std::span<const std::byte> bytes, int64_t elements, int64_t each, int64_t by) {
    if (static_cast<int64_t>(bytes.size()) != elements / by * each) std::abort();
    if (!bytes.empty() && (bytes.data() < file.data() || &bytes.back() > &file.back())) std::abort();
  };
  try {
    const TensorFile::Content content = parse_gguf(file, "fuzz");
    for (const auto& [name, span] : content.tensors) {
      check(span.bytes, span.elements(), static_cast<int64_t>(dtype_size(span.dtype)), 1);
    }
    for (const auto& [name, span] : content.quantised) {
      const QuantBlock block = quant_block(span.quant);
      check(span.bytes, span.elements(), block.bytes, block.elements);
    }
    content.values.dump();
    Json(content.metadata).dump();
  } catch (const Error& error) {
    Json(error.what()).dump();  // must be fit to be shown
  }
  return 0;
}
