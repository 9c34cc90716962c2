// extra_model_paths.yaml: other people's model folders (reference/api.md §7).
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace easel::folders {

struct ExtraPath {
  std::string folder;
  std::filesystem::path path;  // absolute
  bool is_default = false;     // searched before the others
};

// In the file's order. Throws Error if the file is missing, no YAML, or of another shape.
std::vector<ExtraPath> read_extra_paths(const std::filesystem::path& yaml);

// "~", "~user", "$NAME" and "${NAME}" as a shell would; what is unknown stays as it is.
std::string expand(const std::string& path);

}  // namespace easel::folders
