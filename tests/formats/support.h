// Small files for the tests of model files.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "folders/scratch.h"
#include "formats/tensor_file.h"

namespace easel {

inline std::filesystem::path sample(const std::string& name) {
  const char* source = std::getenv("EASEL_SOURCE_DIR");
  return std::filesystem::path(source ? source : ".") / "tests/formats/data" / name;
}

inline std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Header text and data as a safetensors file.
inline std::string safetensors_bytes(const std::string& header, const std::string& data) {
  uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

inline std::string bytes_of(const TensorSpan& span) {
  return {reinterpret_cast<const char*>(span.bytes.data()), span.bytes.size()};
}

}  // namespace easel
