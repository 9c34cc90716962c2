// How many threads compute. The kernels, oneDNN and libtorch share one team (OpenMP); the server beside it computes
// nothing and waits most of the time.
#pragma once
#include <filesystem>

namespace easel {

// Physical cores this process may run on (its affinity): hyperthreads of one core share its multipliers, so a second
// one only costs.
int physical_cores();

// Cores' worth of time that the control groups of this process leave it (cpu.max of cgroup v2 from its own group up to
// the root, else v1's cfs_quota_us); 0 where nothing limits it. root: where /proc and /sys/fs/cgroup are found.
double cpu_quota(const std::filesystem::path& root = "/");

// Threads for the kernels: `wanted`, or physical cores and no more than the quota. Call once at start; returns how
// many.
int use_threads(int wanted = 0);

}  // namespace easel
