// An upload: its first line stands for the Content-Type, the rest is the body.
#include <cstdlib>
#include <string>

#include "server/http.h"
#include "server/multipart.h"

using namespace easel::server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(text.find('\n'), text.size());
  const std::string_view body = text.substr(std::min(line + 1, text.size()));
  try {
    const auto parts = parse_multipart(text.substr(0, line), body);
    if (parts.size() > kMaxParts) std::abort();
    for (const Part& part : parts)
      if (part.data.data() < body.data() || part.data.data() + part.data.size() > body.data() + body.size())
        std::abort();
    field(parts, "type");
  } catch (const HttpError& error) {
    if (error.status != 400) std::abort();
  }
  return 0;
}
