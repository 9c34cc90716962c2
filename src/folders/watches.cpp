#include "folders/watches.h"

#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

namespace easel::folders {
namespace {

namespace fs = std::filesystem;
constexpr uint32_t kEvents =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

// File systems that others change too, without this kernel's knowledge.
bool changes_elsewhere(const fs::path& directory) {
  constexpr uint32_t kFuse = 0x65735546, kCifs = 0xFF534D42, kSmb2 = 0xFE534D42, kCeph = 0x00C36400,
                     kLustre = 0x0BD00BD0;
  struct statfs info;
  if (statfs(directory.c_str(), &info) != 0) return false;
  const auto type = static_cast<uint32_t>(info.f_type);
  for (const uint32_t network : {uint32_t{NFS_SUPER_MAGIC}, uint32_t{SMB_SUPER_MAGIC}, uint32_t{V9FS_MAGIC}, kFuse,
                                 kCifs, kSmb2, kCeph, kLustre})
    if (type == network) return true;
  return false;
}

}  // namespace

Watches::Watches(int max_watches) : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), max_watches_(max_watches) {}

Watches::~Watches() {
  if (fd_ >= 0) close(fd_);
}

bool Watches::watch(Round& round, const fs::path& directory, const std::string& name) {
  std::unique_lock lock(mutex_);
  if (fd_ < 0 || watched_.size() >= static_cast<size_t>(max_watches_)) {
    errno = ENOSPC;
    return false;
  }
  lock.unlock();  // the disk may be slow. What changes meanwhile is seen by the walk, which reads later
  const int descriptor = inotify_add_watch(fd_, directory.c_str(), kEvents);
  if (descriptor < 0) return false;
  lock.lock();
  watched_[descriptor].insert({round.root, name});
  round.met.insert(descriptor);
  return true;
}

void Watches::add(Round& round, const fs::path& directory) {
  if (watch(round, directory, "")) {
    round.all_watched = round.all_watched && !changes_elsewhere(directory);
    return;
  }
  fs::path absent = directory;
  while (errno == ENOENT && absent.has_relative_path()) {
    const std::string name = absent.filename().string();
    absent = absent.parent_path();
    if (watch(round, absent, name)) return;
  }
  round.all_watched = false;
}

bool Watches::end(const Round& round) {
  const std::lock_guard lock(mutex_);
  for (auto entry = watched_.begin(); entry != watched_.end();) {
    auto& [descriptor, interests] = *entry;
    if (!round.met.contains(descriptor))
      std::erase_if(interests, [&](const Interest& interest) { return interest.root == round.root; });
    if (interests.empty()) inotify_rm_watch(fd_, descriptor);
    entry = interests.empty() ? watched_.erase(entry) : std::next(entry);
  }
  return round.all_watched;
}

std::set<std::string> Watches::read_events() {
  const std::lock_guard lock(mutex_);
  std::set<std::string> changed;
  alignas(inotify_event) char buffer[16 * 1024];
  for (ssize_t got; fd_ >= 0 && (got = read(fd_, buffer, sizeof buffer)) > 0;) {
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof *event + event->len);
      const std::string name = event->len ? event->name : "";
      if (event->mask & IN_Q_OVERFLOW) {  // some were lost: everything may have changed
        for (const auto& [descriptor, interests] : watched_)
          for (const Interest& interest : interests) changed.insert(interest.root);
        continue;
      }
      const auto found = watched_.find(event->wd);
      if (found == watched_.end()) continue;
      for (const Interest& interest : found->second)
        if (interest.name.empty() || name.empty() || interest.name == name) changed.insert(interest.root);
      if (event->mask & IN_IGNORED) watched_.erase(found);
    }
  }
  return changed;
}

}  // namespace easel::folders
