#include "folders/publication.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>

#include "base/error.h"

namespace easel::folders {
namespace fs = std::filesystem;
namespace {

// A record is "device inode path" and a NUL; one without its NUL was cut off before its file could appear.
struct Journal {
  std::mutex mutex;
  fs::path path;
  int fd = -1;
};

Journal& journal() {
  static Journal the_one;
  return the_one;
}

void sync_folder_of(const fs::path& path) {
  const int fd = ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) fsync(fd), ::close(fd);
}

bool is_still(const fs::path& path, uint64_t device, uint64_t inode) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && info.st_dev == device && info.st_ino == inode;
}

}  // namespace

fs::path journal_of(const fs::path& folder, std::string_view prompt_id) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: both programs must come to the same name
  for (const char byte : prompt_id) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return folder / fmt::format("{:016x}", hash);
}

void note_publications(const fs::path& path) {
  Journal& notes = journal();
  std::lock_guard lock(notes.mutex);
  if (notes.fd >= 0) ::close(notes.fd);
  notes.fd = -1;
  notes.path = path;
}

void note_publication(int fd, const fs::path& name) {
  Journal& notes = journal();
  std::lock_guard lock(notes.mutex);
  if (notes.path.empty()) return;
  const auto check = [&](bool good) {
    if (!good) fail("write_output: cannot note '{}' in '{}': {}", name.string(), notes.path.string(), strerror(errno));
  };
  if (notes.fd < 0) {
    notes.fd = ::open(notes.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    check(notes.fd >= 0);
    sync_folder_of(notes.path);
  }
  struct stat info;
  check(fstat(fd, &info) == 0);
  std::string record = fmt::format("{} {} {}", info.st_dev, info.st_ino, name.string());
  record += '\0';
  const ssize_t written = ::write(notes.fd, record.data(), record.size());
  if (written >= 0 && written < static_cast<ssize_t>(record.size())) errno = ENOSPC;
  check(written == static_cast<ssize_t>(record.size()) && fdatasync(notes.fd) == 0);
}

size_t take_back(const fs::path& path, const std::function<bool(const fs::path&)>& kept) {
  size_t removed = 0;
  std::ifstream file(path, std::ios::binary);
  for (std::string record; std::getline(file, record, '\0') && !file.eof();) {
    std::istringstream fields(record);
    uint64_t device = 0, inode = 0;
    std::string name;
    fields >> device >> inode;
    if (!fields || fields.get() != ' ' || !std::getline(fields, name, '\0')) continue;
    if (!is_still(name, device, inode) || (kept && kept(name))) continue;
    std::error_code ignored;
    removed += fs::remove(name, ignored);
  }
  file.close();
  std::error_code ignored;
  fs::remove(path, ignored);
  return removed;
}

}  // namespace easel::folders
