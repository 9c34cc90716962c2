#include "tensor/threads.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace easel {
namespace {

namespace fs = std::filesystem;

struct FakeRoot {
  fs::path path = fs::temp_directory_path() / ("easel-cgroup-" + std::to_string(getpid()));
  FakeRoot() { fs::remove_all(path); }
  ~FakeRoot() { fs::remove_all(path); }
  void file(const std::string& name, const std::string& text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name) << text;
  }
};

TEST(Threads, AreAtLeastOneAndAsManyAsAskedFor) {
  EXPECT_GE(physical_cores(), 1);
  EXPECT_GE(use_threads(), 1);
  EXPECT_EQ(use_threads(1), 1);
  EXPECT_LE(use_threads(), physical_cores());
}

TEST(Threads, TheQuotaIsTheLeastOnTheWayToTheRoot) {
  const FakeRoot root;
  EXPECT_EQ(cpu_quota(root.path), 0);
  root.file("proc/self/cgroup", "0::/pods/one\n");
  root.file("sys/fs/cgroup/pods/one/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(root.path), 0);
  root.file("sys/fs/cgroup/pods/cpu.max", "250000 100000\n");
  EXPECT_EQ(cpu_quota(root.path), 2.5);
  root.file("sys/fs/cgroup/pods/one/cpu.max", "150000 100000\n");
  EXPECT_EQ(cpu_quota(root.path), 1.5);
  root.file("sys/fs/cgroup/cpu.max", "50000 100000\n");  // a container sees its own group as the root
  EXPECT_EQ(cpu_quota(root.path), 0.5);
}

TEST(Threads, TheFirstVersionOfGroupsIsRead) {
  const FakeRoot root;
  root.file("proc/self/cgroup", "12:memory:/x\n4:cpu,cpuacct:/docker/one\n");
  root.file("sys/fs/cgroup/cpu/docker/one/cpu.cfs_quota_us", "-1\n");
  root.file("sys/fs/cgroup/cpu/docker/one/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root.path), 0);
  root.file("sys/fs/cgroup/cpu/docker/one/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(cpu_quota(root.path), 3);
}

TEST(Threads, NonsenseIsNoQuota) {
  const FakeRoot root;
  root.file("proc/self/cgroup", "nonsense\n::\n0::/../../..\n");
  root.file("sys/fs/cgroup/cpu.max", "ten 100000\n");
  EXPECT_NO_THROW(EXPECT_EQ(cpu_quota(root.path), 0));
}

}  // namespace
}  // namespace easel
