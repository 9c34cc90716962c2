#include "tensor/precision.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

namespace easel {

namespace {

// Physical cores this process may run on: hyperthreads of one core share its multipliers, so a second one only costs.
int physical_cores() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return std::max(1u, std::thread::hardware_concurrency());
  std::set<std::string> cores;
  int seen = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    ++seen;
    std::ifstream siblings("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    std::string list;
    std::getline(siblings, list);
    cores.insert(list.empty() ? std::to_string(cpu) : list);
  }
  return std::max<int>(1, std::min<int>(seen, static_cast<int>(cores.size())));
}

// Whole cores of the container's quota (cgroup v2's cpu.max, v1's cfs_quota_us); 0 where there is none.
int quota() {
  std::string limit;
  double period = 0;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> limit >> period && limit != "max") {
    return std::max(1, static_cast<int>(std::ceil(std::stod(limit) / period)));
  }
  double micros = 0;
  std::ifstream v1("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (v1 >> micros && v1_period >> period && micros > 0)
    return std::max(1, static_cast<int>(std::ceil(micros / period)));
  return 0;
}

bool cpu_flag(const std::set<std::string>& wanted) {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("flags", 0) != 0) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (wanted.count(word)) return true;
    }
    return false;
  }
  return false;
}

}  // namespace

bool cpu_has_bf16() {
  static const bool has = cpu_flag({"avx512_bf16", "amx_bf16"});
  return has;
}

Precision choose_precision(const PrecisionFlags& flags) {
  auto usual = cpu_has_bf16() ? at::kBFloat16 : at::kFloat;
  if (flags.force_fp16) usual = at::kHalf;
  if (flags.force_fp32) usual = at::kFloat;
  Precision precision;
  precision.network = flags.network.value_or(usual);
  // float16 overflows in the autoencoder of SD1 and SDXL, so a general --force-fp16 does not reach it.
  precision.vae = flags.vae.value_or(usual == at::kHalf ? at::kFloat : usual);
  precision.text = flags.text.value_or(at::kFloat);
  return precision;
}

int use_threads(int wanted) {
  int threads = wanted > 0 ? wanted : physical_cores();
  if (int most = quota(); most > 0 && wanted <= 0) threads = std::min(threads, most);
  at::set_num_threads(threads);
  return threads;
}

}  // namespace easel
