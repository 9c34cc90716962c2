// A model file as named spans of bytes: safetensors and GGUF by mmap, pickle (.ckpt .pt .pth .bin) by a reader that
// runs no code. A TensorFile never changes after it is made; share it between threads freely.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace easel {

enum class Dtype { F64, F32, F16, BF16, F8_E4M3, F8_E5M2, F8_E8M0, I64, I32, I16, I8, U64, U32, U16, U8, BOOL };

size_t dtype_size(Dtype dtype);            // bytes an element
std::string_view dtype_name(Dtype dtype);  // as safetensors writes it: "BF16", "F8_E4M3"
std::optional<Dtype> dtype_from_name(std::string_view name);

// Contiguous, row-major, little-endian. `bytes` may be unaligned in old files: see is_aligned.
struct TensorSpan {
  Dtype dtype = Dtype::F32;
  std::vector<int64_t> shape;  // empty: a scalar
  std::span<const std::byte> bytes;

  int64_t elements() const;
  bool is_aligned() const;  // bytes begin at a multiple of the dtype's size
};

// How GGUF packs numbers into blocks; names as ggml writes them without "GGML_TYPE_".
enum class Quant { Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS };
struct QuantBlock {
  std::string_view name;
  int64_t elements = 0;  // of a block, along the last extent
  int64_t bytes = 0;
};
QuantBlock quant_block(Quant quant);

// A tensor in blocks: rows one after the other, each a whole number of blocks.
struct QuantSpan {
  Quant quant = Quant::Q8_0;
  std::vector<int64_t> shape;  // of the numbers
  std::span<const std::byte> bytes;

  int64_t elements() const;
};

using Tensors = std::map<std::string, TensorSpan>;
using QuantTensors = std::map<std::string, QuantSpan>;
using Metadata = std::map<std::string, std::string>;

class TensorFile {
 public:
  struct Content {
    std::filesystem::path path;
    Tensors tensors;
    QuantTensors quantised;
    Metadata metadata;
    Json values = Json::object();
    std::vector<std::shared_ptr<const void>> memory;  // what the spans point into
  };
  explicit TensorFile(Content content) : content_(std::move(content)) {}

  const std::filesystem::path& path() const { return content_.path; }
  // Spans stay valid as long as this object lives.
  const Tensors& tensors() const { return content_.tensors; }
  const TensorSpan* find(const std::string& name) const;  // null if there is none
  // GGUF only: what is not in tensors() because it is packed. A name is in one of the two.
  const QuantTensors& quantised() const { return content_.quantised; }
  const Metadata& metadata() const { return content_.metadata; }  // safetensors' __metadata__
  // Pickle: the plain numbers, strings, booleans and nulls beside the tensors, one flat object with the same dotted
  // names ("string_to_token.*": 265, "lora_up.alpha": 4.0). GGUF: its key-values, arrays included.
  const Json& values() const { return content_.values; }

 private:
  Content content_;
};

using TensorFilePtr = std::shared_ptr<const TensorFile>;

// Opens a model file; its kind is told by its content. Throws Error.
TensorFilePtr open_tensor_file(const std::filesystem::path& path);

// The safetensors format with every rule of the reference implementation checked; tensors are views of the mapped file.
TensorFilePtr load_safetensors(const std::filesystem::path& path);

// torch.save files, zip and legacy. Nested dicts and lists flatten with '.'; a top-level "state_dict" is lifted, and so
// is the one dict of a file that holds nothing else, else "params_ema", "params" or "model" (never "string_to_param").
// Views of foreign strides are copied to contiguous ones. Unknown classes become inert values (training tools leave
// many) and are refused where a tensor of the state dict should be; classes that could run code are refused at sight:
// "load_pickle: unsupported global 'os.system': a model file must hold only tensors".
TensorFilePtr load_pickle(const std::filesystem::path& path);

// Tensors are views of the mapped file: plain ones as tensors(), packed ones as quantised().
TensorFilePtr load_gguf(const std::filesystem::path& path);

// Writes safetensors: header padded to 8 bytes, tensors ordered by falling alignment and then name, as the reference
// does. `out` gets the bytes piece by piece; the caller writes them atomically (folders::OutputFile). Throws Error for
// duplicate names and spans whose size is not shape × dtype.
using ByteSink = std::function<void(std::span<const std::byte>)>;
void save_safetensors(const ByteSink& out, const std::vector<std::pair<std::string, TensorSpan>>& tensors,
                      const Metadata& metadata = {});
// Size in bytes of what save_safetensors will write.
uint64_t safetensors_size(const std::vector<std::pair<std::string, TensorSpan>>& tensors,
                          const Metadata& metadata = {});

// GET /view_metadata: the __metadata__ object alone, read from the header without mapping the tensors. Nothing if the
// file is no safetensors, its header is larger than 1 MiB, or it has no metadata.
std::optional<Json> safetensors_metadata(const std::filesystem::path& path);

struct TensorFileSummary {
  size_t tensors = 0;
  uint64_t bytes = 0;                      // of tensors
  std::map<std::string, uint64_t> dtypes;  // name -> bytes
};
TensorFileSummary describe(const TensorFile& file);

}  // namespace easel
