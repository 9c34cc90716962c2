// The inotify watches of the folder index: which directory tells of a change below which root. Any thread.
#pragma once
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace easel::folders {

class Watches {
 public:
  explicit Watches(int max_watches);
  ~Watches();
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  int fd() const { return fd_; }  // -1 where there is no inotify; poll passes over that

  // One walk through a root: add() each directory before it is read, then end(), which lets go of what the walk did not
  // meet again and tells whether all of it is watched. Of an absent directory the nearest one above it is watched.
  struct Round {
    explicit Round(std::string root) : root(std::move(root)) {}
    const std::string root;
    std::set<int> met;
    bool all_watched = true;
  };
  void add(Round& round, const std::filesystem::path& directory);
  bool end(const Round& round);

  // The roots below which something has changed. Does not wait.
  std::set<std::string> read_events();

 private:
  // What a watched directory tells whom: any change, or only of an entry of this name (an absent directory's).
  struct Interest {
    std::string root, name;
    bool operator<(const Interest& other) const { return std::tie(root, name) < std::tie(other.root, other.name); }
  };
  bool watch(Round& round, const std::filesystem::path& directory, const std::string& name);

  const int fd_;
  const int max_watches_;
  std::mutex mutex_;
  std::map<int, std::set<Interest>> watched_;  // by watch descriptor
};

}  // namespace easel::folders
