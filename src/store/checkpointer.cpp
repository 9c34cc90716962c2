#include "store/checkpointer.h"

namespace easel::store {
namespace {
constexpr int kWorthwhile = 1000;  // pages
constexpr int kTooMany = 4000;     // the writer never pauses long enough: then it waits once; a start reads all of them
}  // namespace

Checkpointer::Checkpointer(const std::string& path, Database& writer)
    : database_(path), writer_(writer), thread_([this] { loop(); }) {
  sqlite3_wal_hook(writer_.handle(), after_commit, this);
}

Checkpointer::~Checkpointer() {
  sqlite3_wal_hook(writer_.handle(), nullptr, nullptr);
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

int Checkpointer::after_commit(void* self, sqlite3* writer, const char* schema, int pages) {
  auto& checkpointer = *static_cast<Checkpointer*>(self);
  if (pages >= kTooMany) {
    sqlite3_wal_checkpoint_v2(writer, schema, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
  } else if (pages >= kWorthwhile) {
    std::lock_guard lock(checkpointer.mutex_);
    checkpointer.wanted_ = true;
    checkpointer.wake_.notify_one();
  }
  return SQLITE_OK;
}

void Checkpointer::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || wanted_; });
    if (stopping_) return;
    wanted_ = false;
    lock.unlock();  // one that fails (a full disk) is tried again after the next commit
    sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    lock.lock();
  }
}

}  // namespace easel::store
