// A whole .ckpt/.pt file, zip or legacy. Inputs that begin as neither are taken for the pickled object of a legacy
// file, so that the opcodes are reached at once.
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "formats/torch_file.h"

using namespace easel;

namespace {

void check(std::string_view file) {
  try {
    const TensorFile::Content content = parse_torch_file(std::as_bytes(std::span(file)), "fuzz");
    uint64_t sum = 0;
    for (const auto& [name, span] : content.tensors) {
      if (span.bytes.size() != static_cast<uint64_t>(span.elements()) * dtype_size(span.dtype)) std::abort();
      for (const std::byte byte : span.bytes) sum += static_cast<uint8_t>(byte);  // every byte can be read
      Json(name).dump();
    }
    content.values.dump();
    [[maybe_unused]] static volatile uint64_t used;
    used = sum;
  } catch (const Error& error) {
    Json(error.what()).dump();  // must be fit to be shown
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  spdlog::set_level(spdlog::level::off);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace std::string_literals;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("PK") || text.starts_with("\x80\x02\x8a\x0a")) {
    check(text);
  } else {
    static const std::string kPreface =
        "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}."s;
    check(kPreface + text);
  }
  return 0;
}
