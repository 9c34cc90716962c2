// What lies below the model folders, kept up to date by threads of its own, so that nobody who asks waits for a disk.
// inotify tells of changes; folders that cannot be watched (no watches left, a network file system) are compared by
// their modification times whenever somebody asks. Any thread may ask.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "folders/listing.h"

namespace easel::folders {

struct IndexOptions {
  std::function<Listing(const std::filesystem::path& root, const Enter& enter)> walk = folders::walk;
  int max_watches = 50'000;     // 0: none, all is compared by times
  int patience_ms = 1000;       // how long one who asks waits for a root that is being read
  int check_every_ms = 10'000;  // how often times are compared also where watches stand
};

class Index {
 public:
  explicit Index(const IndexOptions& options = {});
  ~Index();
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  // A root to keep; it need not exist. Read from the first question on.
  void add(const std::filesystem::path& root);

  // Waits until what has changed on disk up to now is known, at most for the patience. A root whose reading has lasted
  // longer than that already is not waited for: a disk that hangs costs one wait, and other disks go on.
  void settle();
  // The files below a root that was added, as last read; null before the first reading has ended.
  std::shared_ptr<const Listing> files(const std::filesystem::path& root) const;
  // Grows with every change.
  uint64_t generation() const;

 private:
  class Keeper;
  std::shared_ptr<Keeper> keeper_;  // shared with readers that hang on a disk when this ends
};

}  // namespace easel::folders
