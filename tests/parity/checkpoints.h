// The parity kit's random checkpoints of full size: made once from specs/<name>.json, kept outside the source tree.
#pragma once
#include <unistd.h>

#include "parity/golden.h"

namespace easel::parity {

// ${EASEL_CACHE:-~/.cache/easel}/parity
inline std::filesystem::path cache_folder() {
  if (const char* given = std::getenv("EASEL_CACHE")) return std::filesystem::path(given) / "parity";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home ? home : "/tmp") / ".cache" / "easel" / "parity";
}

// The path of <cache>/<spec>.<f16|f32>.safetensors, written if it is not there yet.
inline std::filesystem::path checkpoint(const std::string& spec, at::ScalarType dtype = at::kHalf) {
  const auto path = cache_folder() / (spec + (dtype == at::kHalf ? ".f16" : ".f32") + ".safetensors");
  if (std::filesystem::exists(path)) return path;
  const auto json = read_json(*folder() / "specs" / (spec + ".json"));
  std::vector<Tensor> memory;
  std::vector<std::pair<std::string, TensorSpan>> tensors;
  for (const auto& [name, entry] : json.items()) {
    memory.push_back(formula(name, shape_of(entry), entry.at("mean"), entry.at("std"), dtype));
    const auto& tensor = memory.back();
    tensors.emplace_back(name, TensorSpan{.dtype = dtype == at::kHalf ? Dtype::F16 : Dtype::F32,
                                          .shape = tensor.sizes().vec(),
                                          .bytes = {static_cast<const std::byte*>(tensor.const_data_ptr()),
                                                    static_cast<size_t>(tensor.nbytes())}});
  }
  std::filesystem::create_directories(path.parent_path());
  const auto partial = path.string() + "." + std::to_string(getpid());
  std::ofstream out(partial, std::ios::binary);
  save_safetensors(
      [&](std::span<const std::byte> bytes) {
        out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      },
      tensors);
  out.close();
  if (!out) fail("checkpoint: cannot write '{}': the disk may be full", partial);
  std::filesystem::rename(partial, path);
  return path;
}

}  // namespace easel::parity
