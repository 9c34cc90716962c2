#include "server/base64.h"

#include <openssl/evp.h>

#include "base/error.h"

namespace easel::server {

std::string base64_decode(std::string_view text) {
  if (const size_t comma = text.find(','); text.starts_with("data:") && comma != std::string_view::npos)
    text.remove_prefix(comma + 1);
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size =
      text.size() % 4 != 0 || text.size() > (size_t{1} << 30)
          ? -1
          : EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                            reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) fail("base64_decode: {} bytes came that are no base64", text.size());
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  bytes.resize(static_cast<size_t>(size) - padding);
  return bytes;
}

}  // namespace easel::server
