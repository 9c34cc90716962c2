#include "folders/listing.h"

#include <sys/stat.h>

#include <chrono>

#include "base/log.h"
#include "base/utf8.h"

namespace easel::folders {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxFiles = 200'000, kMaxDirectories = 50'000, kMaxDepth = 64;
constexpr int64_t kClockGrain = 50'000'000;  // a kernel stamps files with a clock of 1 to 10 ms

int64_t modified(const fs::path& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return -1;
  return int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

class Walk {
 public:
  Walk(const fs::path& root, const Enter& enter) : root_(root), enter_(enter) { visit(root, ""); }
  Listing take() { return std::move(listing_); }

 private:
  using FileId = std::pair<dev_t, ino_t>;

  void visit(const fs::path& directory, const std::string& relative) {
    if (enter_) enter_(directory);
    struct stat info;
    const bool there = stat(directory.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    note_time(directory);
    if (!there) return;
    const FileId id{info.st_dev, info.st_ino};
    if (std::find(above_.begin(), above_.end(), id) != above_.end()) return;  // a link to a folder above it
    if (above_.size() >= kMaxDepth || listing_.directories.size() >= kMaxDirectories) {
      log::warn("list: '{}' is nested too deep or holds too many folders; the rest is left out", root_.string());
      return;
    }
    above_.push_back(id);
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
      visit_entry(*entry, relative);
    }
    above_.pop_back();
  }

  void visit_entry(const fs::directory_entry& entry, const std::string& relative) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') || !is_utf8(name)) return;
    std::error_code error;
    const fs::file_status status = entry.status(error);  // follows links
    if (fs::is_directory(status)) visit(entry.path(), relative + name + "/");
    if (fs::is_regular_file(status) && listing_.files.size() < kMaxFiles) listing_.files.push_back(relative + name);
  }

  // The time a directory had before it was read. One that changed just now may change again within the same tick: then
  // a time is noted that no directory has.
  void note_time(const fs::path& directory) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const int64_t time = modified(directory);
    const bool fresh = time >= 0 && std::chrono::nanoseconds(now).count() - time < kClockGrain;
    listing_.directories.emplace_back(directory, fresh ? -2 : time);
  }

  fs::path root_;
  const Enter& enter_;
  std::vector<FileId> above_;
  Listing listing_;
};

}  // namespace

bool Listing::is_current() const {
  return std::all_of(directories.begin(), directories.end(),
                     [](const auto& d) { return modified(d.first) == d.second; });
}

Listing walk(const fs::path& root, const Enter& enter) { return Walk(root, enter).take(); }

std::vector<std::string> tiny_vaes(const std::vector<std::string>& vae_approx) {
  const auto has = [&](const std::string& start) {
    return std::any_of(vae_approx.begin(), vae_approx.end(),
                       [&](const std::string& name) { return name.rfind(start, 0) == 0; });
  };
  std::vector<std::string> found;
  for (const std::string kind : {"taesd", "taesdxl", "taesd3", "taef1"}) {
    if (has(kind + "_encoder.") && has(kind + "_decoder.")) found.push_back(kind);
  }
  return found;
}

}  // namespace easel::folders
