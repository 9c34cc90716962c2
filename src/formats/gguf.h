// GGUF, versions 2 and 3: typed key-values, then tensors of plain or block-quantised numbers. The layout is that of
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Nothing is taken on trust: counts, lengths, offsets and
// sizes are checked against the file before anything of their size is allocated.
#pragma once
#include <cstddef>
#include <span>
#include <string>

#include "formats/tensor_file.h"

namespace easel {

// `file`: the whole file, which the content's spans point into. `name` stands in the messages; `path` is left empty.
// Key-values go to `values` under their own names ("general.architecture": "flux"; arrays as JSON arrays), texts also
// to `metadata`. Shapes are row-major as everywhere here (GGUF writes the innermost extent first). Throws Error.
TensorFile::Content parse_gguf(std::span<const std::byte> file, const std::string& name);

}  // namespace easel
