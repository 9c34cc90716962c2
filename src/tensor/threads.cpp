#include "tensor/threads.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "tensor/aten.h"

namespace easel {

namespace fs = std::filesystem;

namespace {

// 0 where the group has no limit ("max"), or there is no such file.
double limit_v2(const fs::path& group) {
  std::string limit;
  double period = 0;
  std::ifstream file(group / "cpu.max");
  return file >> limit >> period && period > 0 ? std::max(0.0, std::strtod(limit.c_str(), nullptr)) / period : 0;
}

double limit_v1(const fs::path& group) {
  double micros = 0, period = 0;
  std::ifstream quota(group / "cpu.cfs_quota_us"), each(group / "cpu.cfs_period_us");
  return quota >> micros && each >> period && micros > 0 && period > 0 ? micros / period : 0;
}

double smaller(double a, double b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

}  // namespace

int physical_cores() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return std::max(1u, std::thread::hardware_concurrency());
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::ifstream siblings("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    std::string list;
    std::getline(siblings, list);
    cores.insert(list.empty() ? std::to_string(cpu) : list);
  }
  return std::max(1, static_cast<int>(cores.size()));
}

double cpu_quota(const fs::path& root) {
  const fs::path groups = root / "sys/fs/cgroup";
  double least = smaller(limit_v2(groups), limit_v1(groups / "cpu"));
  std::ifstream own(root / "proc/self/cgroup");
  for (std::string line; std::getline(own, line);) {  // "0::/path" for v2, "4:cpu,cpuacct:/path" for v1
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool is_v2 = controllers.empty(), is_cpu = ("," + controllers + ",").find(",cpu,") != std::string::npos;
    if (!is_v2 && !is_cpu) continue;
    for (fs::path path = fs::path(line.substr(second + 1)).relative_path(); !path.empty(); path = path.parent_path()) {
      least = smaller(least, is_v2 ? limit_v2(groups / path) : limit_v1(groups / "cpu" / path));
    }
  }
  return least;
}

int use_threads(int wanted) {
  int threads = wanted;
  if (threads <= 0) {
    threads = physical_cores();
    if (const double most = cpu_quota(); most > 0) threads = std::clamp(static_cast<int>(std::ceil(most)), 1, threads);
  }
  at::set_num_threads(threads);
  return threads;
}

}  // namespace easel
