// Removes files that have grown old, where the operator asked for it: --retain temp=1d,output=30d.
#pragma once
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace easel::server {

struct RetentionRule {
  std::filesystem::path folder;
  std::chrono::seconds age;  // since the file was last written
};

// "temp=12h,output=30d": a folder's name, a number and s, m, h, d or w. `find` gives the folder of a name. Throws Error.
struct NamedFolder {
  std::string name;
  std::filesystem::path path;
};
std::vector<RetentionRule> parse_retention(const std::string& text, const std::vector<NamedFolder>& folders);

// Removes what is older, and folders that were emptied by it. Symlinks are neither followed nor removed. Returns how
// many files went.
size_t remove_old_files(const RetentionRule& rule);

// Does so now and then, in a thread of its own.
class Retention {
 public:
  explicit Retention(std::vector<RetentionRule> rules);  // no rules: does nothing
  ~Retention();

 private:
  void loop();

  const std::vector<RetentionRule> rules_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  bool stopping_ = false;

  std::thread thread_;  // last: it uses all the above
};

}  // namespace easel::server
