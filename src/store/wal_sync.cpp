#include "store/wal_sync.h"

#include <fcntl.h>
#include <unistd.h>

#include <system_error>

namespace easel::store {
namespace {

[[noreturn]] void fail_errno(const char* doing) {
  fail("store: {}: {}", doing, std::generic_category().message(errno));
}

int open_synced(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) fail_errno("opening the write-ahead log");
  const int folder = ::open(path.parent_path().empty() ? "." : path.parent_path().c_str(), O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) fsync(folder), ::close(folder);  // the log's own name must survive too
  return fd;
}

}  // namespace

WalSync::WalSync(const std::filesystem::path& wal) : fd_(open_synced(wal)), thread_([this] { loop(); }) {}

WalSync::~WalSync() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  ::close(fd_);
}

void WalSync::request(Outcome durable) {
  {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(durable));
  }
  wake_.notify_one();
}

void WalSync::loop() {
  for (;;) {
    std::vector<Outcome> batch;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      batch.swap(waiting_);
    }
    std::exception_ptr failure;
    try {
      if (fdatasync(fd_) != 0) fail_errno("syncing the write-ahead log");
    } catch (...) {
      failure = std::current_exception();
    }
    for (const Outcome& each : batch) each(failure);
  }
}

}  // namespace easel::store
