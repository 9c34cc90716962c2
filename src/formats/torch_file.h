// The two containers of torch.save: a zip of stored entries, and the older run of pickles followed by raw storages.
#pragma once
#include <memory>
#include <span>
#include <string>

#include "formats/tensor_file.h"

namespace easel {

// `file`: the whole file; the content's spans point into it or into memory of their own. `path` is left empty.
TensorFile::Content parse_torch_file(std::span<const std::byte> file, const std::string& name);

}  // namespace easel
