#include "nodes/metadata.h"

#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <fstream>

#include "folders/resolve.h"
#include "graph/port.h"

namespace easel {
namespace {

std::string ascii(const OrderedJson& json) { return json.dump(-1, ' ', true, OrderedJson::error_handler_t::replace); }

std::string sha256_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("sha256: '{}' cannot be read", path.string());
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr);
  std::vector<char> buffer(1 << 16);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || file.gcount() > 0)
    EVP_DigestUpdate(hash.get(), buffer.data(), static_cast<size_t>(file.gcount()));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_DigestFinal_ex(hash.get(), digest, &length);
  return fmt::format("{:02x}", fmt::join(digest, digest + length, ""));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> provenance(const Context& context) {
  std::vector<std::pair<std::string, std::string>> made;
  made.emplace_back("prompt", context.prompt_json());
  for (const auto& [key, value] : context.extra_pnginfo().items()) made.emplace_back(key, ascii(value));
  return made;
}

OrderedJson file_item(const std::string& filename, const std::string& subfolder, const std::string& type) {
  return {{"filename", filename}, {"subfolder", subfolder}, {"type", type}};
}

std::filesystem::path input_file(const std::string& who, const Folders& folders, const std::string& name) {
  const auto [plain, type] = folders::split_annotation(name, "input");
  const std::filesystem::path* root = folders.directory(type);
  if (!root) fail("{}: there is no folder '{}' ('{}')", who, type, name);
  return folders::must_resolve(who, *root, "", plain);
}

Json file_fingerprint(const std::string& who, const Folders& folders, const Argument& name) {
  if (name.empty() || name.front().empty()) return nullptr;  // comes from another node
  return sha256_of(input_file(who, folders, Port<std::string>::from(name.front())));
}

}  // namespace easel
