// The machine's memory, or what the container is allowed of it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>

namespace easel {

// Bytes; 0 where the system does not say.
struct HostMemory {
  int64_t total = 0, available = 0;
};

// From /proc/meminfo, cut to the control group's limit (cgroup v2) where there is one.
inline HostMemory host_memory() {
  HostMemory memory;
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  for (int64_t value = 0; meminfo >> key >> value; std::getline(meminfo, unit)) {
    if (key == "MemTotal:") memory.total = value * 1024;
    if (key == "MemAvailable:") memory.available = value * 1024;
  }
  int64_t limit = 0, used = 0;
  std::ifstream most("/sys/fs/cgroup/memory.max"), current("/sys/fs/cgroup/memory.current");
  if (most >> limit && current >> used) {  // "max" is no number
    memory.total = std::min(memory.total, limit);
    memory.available = std::min(memory.available, std::max<int64_t>(limit - used, 0));
  }
  return memory;
}

}  // namespace easel
