#include "server/file_facts.h"

#include <algorithm>

namespace easel::server {

namespace fs = std::filesystem;

std::optional<FileFacts> file_facts(const fs::path& path) {
  struct stat facts;
  if (stat(path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) return std::nullopt;
  const auto seconds = [](const timespec& time) { return static_cast<double>(time.tv_sec) + time.tv_nsec * 1e-9; };
  return FileFacts{static_cast<uint64_t>(facts.st_size), seconds(facts.st_mtim), seconds(facts.st_ctim)};
}

std::vector<std::string> files_below(const fs::path& folder, bool recurse) {
  constexpr size_t kMost = 100'000;
  constexpr int kDeepest = 64;
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator walk(folder, fs::directory_options::skip_permission_denied, error), end;
  for (; !error && walk != end && files.size() < kMost; walk.increment(error)) {
    const fs::file_status status = walk->symlink_status(error);
    if (fs::is_directory(status) && (!recurse || walk.depth() >= kDeepest)) walk.disable_recursion_pending();
    if (fs::is_regular_file(status)) files.push_back(walk->path().lexically_relative(folder).string());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace easel::server
