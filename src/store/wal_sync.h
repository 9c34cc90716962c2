// Makes commits survive a power cut, without holding up the commits that follow: syncs the write-ahead log in a thread
// of its own; whoever asks while a sync runs shares the next one.
#pragma once
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>
#include <vector>

#include "store/write_lane.h"

namespace easel::store {

class WalSync {
 public:
  explicit WalSync(const std::filesystem::path& wal);  // exists, and is never replaced while this lives
  ~WalSync();                                          // what was asked is still done

  // Told in this object's thread: everything committed before the call is on the disk, or why not.
  void request(Outcome durable);

 private:
  void loop();

  const int fd_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::vector<Outcome> waiting_;
  bool stopping_ = false;

  std::thread thread_;  // last: it uses all the above
};

}  // namespace easel::store
