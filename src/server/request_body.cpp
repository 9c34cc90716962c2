#include "server/request_body.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/error.h"

namespace easel::server {

RequestBody::~RequestBody() {
  if (mapped_) munmap(mapped_, size_);
  if (fd_ >= 0) close(fd_);
}

void RequestBody::append(std::string_view bytes) {
  if (fd_ < 0 && !needs_file(bytes.size())) {
    memory_ += bytes;
  } else {
    if (fd_ < 0) {
      const std::string folder = (folder_.empty() ? std::filesystem::temp_directory_path() : folder_).string();
      fd_ = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
      if (fd_ < 0) fail("RequestBody: no temporary file in '{}': {}", folder, std::generic_category().message(errno));
      write_file(memory_);
      memory_ = {};
    }
    write_file(bytes);
  }
  size_ += bytes.size();
}

void RequestBody::write_file(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("RequestBody: the temporary file takes no more: {}", std::generic_category().message(errno));
    bytes.remove_prefix(written);
  }
}

std::string_view RequestBody::view() {
  if (fd_ < 0) return memory_;
  if (!mapped_) {
    void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd_, 0);
    if (mapped == MAP_FAILED) fail("RequestBody: mmap: {}", std::generic_category().message(errno));
    mapped_ = mapped;
  }
  return {static_cast<const char*>(mapped_), size_};
}

}  // namespace easel::server
