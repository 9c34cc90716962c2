#include "nodes/budget.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>

#include "base/error.h"

namespace easel {
namespace {

double number_in(const char* path) {
  double value = -1;
  std::ifstream(path) >> value;  // "max" leaves it negative
  return value;
}

std::string readable(double bytes) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  size_t i = 0;
  for (; bytes >= 1000 && i + 1 < std::size(units); i++) bytes /= 1000;
  return fmt::format("{:.1f} {}", bytes, units[i]);
}

}  // namespace

Memory memory_now() {
  Memory memory;
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  for (double value; meminfo >> key >> value; std::getline(meminfo, unit)) {
    if (key == "MemTotal:") memory.total = value * 1024;
    if (key == "MemAvailable:") memory.available = value * 1024;
  }
  const double limit = number_in("/sys/fs/cgroup/memory.max"), used = number_in("/sys/fs/cgroup/memory.current");
  if (limit > 0 && used >= 0) {
    memory.total = std::min(memory.total, limit);
    memory.available = std::min(memory.available, std::max(limit - used, 0.0));
  }
  return memory;
}

void require_memory(const std::string& who, const std::vector<int64_t>& shape) {
  double bytes = sizeof(float);
  for (int64_t size : shape) bytes *= static_cast<double>(size);
  constexpr double kAlwaysFine = 64e6;  // do not ask the kernel for small ones
  if (bytes <= kAlwaysFine) return;
  const double available = memory_now().available;
  if (bytes > available)
    fail("{}: {} wanted for a tensor of [{}], {} are free; a smaller size or batch is needed", who, readable(bytes),
         fmt::join(shape, ", "), readable(available));
}

}  // namespace easel
