// Packed numbers of GGUF to floats. The layouts are ggml's (https://github.com/ggml-org/ggml, ggml-quants.h).
#pragma once
#include <span>

#include "formats/tensor_file.h"

namespace easel {

// out has span.elements() places. Rows may be unpacked apart, by spans of whole blocks. Throws Error if sizes differ.
void dequantise(const QuantSpan& span, std::span<float> out);

}  // namespace easel
