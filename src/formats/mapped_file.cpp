#include "formats/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace easel {

std::shared_ptr<const MappedFile> MappedFile::open(std::string_view who, const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail("{}: cannot open '{}': {}", who, path.string(), std::strerror(errno));
  struct stat info;
  const bool known = fstat(fd, &info) == 0;
  void* memory = nullptr;
  if (known && S_ISREG(info.st_mode) && info.st_size > 0) {
    memory = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
  }
  const int error = errno;
  close(fd);
  if (!known || !S_ISREG(info.st_mode)) fail("{}: '{}' is no regular file", who, path.string());
  if (memory == MAP_FAILED) fail("{}: cannot map '{}': {}", who, path.string(), std::strerror(error));
  const size_t size = static_cast<size_t>(info.st_size);
  return std::shared_ptr<const MappedFile>(new MappedFile({static_cast<const std::byte*>(memory), size}));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace easel
