#include "tensor/memory_left.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace easel {

int64_t memory_left() {
  int64_t left = 0;
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  for (int64_t value = 0; meminfo >> key >> value; std::getline(meminfo, unit)) {
    if (key == "MemAvailable:") left = value * 1024;
  }
  int64_t limit = 0, used = 0;
  std::ifstream most("/sys/fs/cgroup/memory.max"), current("/sys/fs/cgroup/memory.current");
  if (most >> limit && current >> used)
    left = std::min(left, std::max<int64_t>(limit - used, 0));  // "max" is no number
  return left;
}

}  // namespace easel
