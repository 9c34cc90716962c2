// Size and times of a file as the API shows them.
#pragma once
#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace easel::server {

struct FileFacts {
  uint64_t size = 0;
  double modified = 0,
         created = 0;  // seconds since 1970; created is the time of the inode's last change, as Python has it
};

std::optional<FileFacts> file_facts(const std::filesystem::path& path);  // nothing unless it is a regular file

// Relative paths of the regular files below (or, without `recurse`, directly in) a folder. Hidden ones too: the page
// keeps workflows/.index.json. Symlinks are not followed. At most 100,000.
std::vector<std::string> files_below(const std::filesystem::path& folder, bool recurse);

}  // namespace easel::server
