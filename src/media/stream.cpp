#include "media/stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"

namespace easel::media {

SeekableSource open_source(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not hold us
  const std::shared_ptr<const int> held(new int(fd), [](const int* owned) {
    if (*owned >= 0) close(*owned);
    delete owned;
  });
  struct stat info;
  const std::string name = path.filename().string();
  if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
    fail("open_source: '{}' cannot be read or is no regular file", path.string());
  const auto read = [held, name](uint64_t at, std::span<std::byte> out) -> size_t {
    ssize_t came;
    do {
      came = pread(*held, out.data(), out.size(), static_cast<off_t>(at));
    } while (came < 0 && errno == EINTR);
    if (came < 0) fail("open_source: '{}' cannot be read at byte {}: {}", name, at, std::strerror(errno));
    return static_cast<size_t>(came);
  };
  return {name, static_cast<uint64_t>(info.st_size), read};
}

SeekableSource memory_source(std::string_view bytes, std::string name) {
  const auto read = [bytes](uint64_t at, std::span<std::byte> out) -> size_t {
    if (at >= bytes.size()) return 0;
    const size_t size = std::min<size_t>(out.size(), bytes.size() - at);
    std::memcpy(out.data(), bytes.data() + at, size);
    return size;
  };
  return {std::move(name), bytes.size(), read};
}

Ratio frame_rate(double fps) {
  if (!(fps >= 0.001 && fps <= 1000)) fail("frame_rate: {} frames a second; 0.001 to 1000 are possible", fps);
  int num = static_cast<int>(std::lround(fps * 1000)), den = 1000;
  const int shared = std::gcd(num, den);
  return {num / shared, den / shared};
}

}  // namespace easel::media
