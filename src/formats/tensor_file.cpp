#include "formats/tensor_file.h"

#include <array>
#include <cstring>
#include <fstream>

#include "base/error.h"

namespace easel {
namespace {

struct DtypeRow {
  std::string_view name;
  size_t size;
};
constexpr std::array<DtypeRow, 16> kDtypes = {{{"F64", 8},
                                               {"F32", 4},
                                               {"F16", 2},
                                               {"BF16", 2},
                                               {"F8_E4M3", 1},
                                               {"F8_E5M2", 1},
                                               {"F8_E8M0", 1},
                                               {"I64", 8},
                                               {"I32", 4},
                                               {"I16", 2},
                                               {"I8", 1},
                                               {"U64", 8},
                                               {"U32", 4},
                                               {"U16", 2},
                                               {"U8", 1},
                                               {"BOOL", 1}}};

}  // namespace

size_t dtype_size(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)].size; }
std::string_view dtype_name(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)].name; }

std::optional<Dtype> dtype_from_name(std::string_view name) {
  for (size_t i = 0; i < kDtypes.size(); ++i) {
    if (kDtypes[i].name == name) return static_cast<Dtype>(i);
  }
  return std::nullopt;
}

int64_t TensorSpan::elements() const {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

bool TensorSpan::is_aligned() const { return reinterpret_cast<uintptr_t>(bytes.data()) % dtype_size(dtype) == 0; }

const TensorSpan* TensorFile::find(const std::string& name) const {
  const auto found = content_.tensors.find(name);
  return found == content_.tensors.end() ? nullptr : &found->second;
}

TensorFilePtr open_tensor_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    fail("open_tensor_file: '{}' is no regular file, or is not there", path.string());
  }
  std::string first(64, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(first.data(), static_cast<std::streamsize>(first.size()));
  first.resize(static_cast<size_t>(file.gcount()));

  if (first.starts_with("GGUF")) return load_gguf(path);
  if (first.starts_with("PK")) return load_pickle(path);
  if (first.size() > 8 && first[8] == '{') return load_safetensors(path);
  if (first.starts_with('\x80')) return load_pickle(path);
  const std::string name = path.filename().string();
  if (first.starts_with("version https://git-lfs")) {
    fail("open_tensor_file: '{}' is a Git LFS pointer, not the model itself; run `git lfs pull` where it came from",
         name);
  }
  if (first.starts_with('<')) fail("open_tensor_file: '{}' is a web page; perhaps the download wanted a login", name);
  const std::string extension = path.extension().string();
  if (extension == ".safetensors" || extension == ".sft") return load_safetensors(path);  // says what is wrong with it
  fail(
      "open_tensor_file: '{}' ({} bytes) is neither safetensors nor GGUF nor a torch file; perhaps the download was "
      "cut short",
      name, std::filesystem::file_size(path, error));
}

TensorFileSummary describe(const TensorFile& file) {
  TensorFileSummary summary;
  for (const auto& [name, span] : file.tensors()) {
    ++summary.tensors;
    summary.bytes += span.bytes.size();
    summary.dtypes[std::string(dtype_name(span.dtype))] += span.bytes.size();
  }
  for (const auto& [name, span] : file.quantised()) {
    ++summary.tensors;
    summary.bytes += span.bytes.size();
    summary.dtypes[std::string(quant_block(span.quant).name)] += span.bytes.size();
  }
  return summary;
}

}  // namespace easel
