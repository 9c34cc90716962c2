// The header of a safetensors file: 8 bytes of length, then JSON. Checked as the reference implementation (the
// safetensors crate) does, without trusting a number in it before the file's size has confirmed it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "formats/tensor_file.h"

namespace easel {

inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

struct SafetensorsHeader {
  Tensors tensors;  // spans into the file's bytes
  Metadata metadata;
};

// `file`: the whole file. `name` stands in the messages. Throws Error for whatever breaks a rule: a header that is no
// JSON object, unknown dtypes, duplicate names, offsets with holes or overlaps, sizes that do not match, missing or
// left-over bytes.
SafetensorsHeader parse_safetensors(std::span<const std::byte> file, const std::string& name);

// Length of the JSON text, checked against the limit and against `file_size`.
uint64_t safetensors_header_length(std::span<const std::byte> first_bytes, uint64_t file_size, const std::string& name);

}  // namespace easel
