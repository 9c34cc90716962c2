#include <gtest/gtest.h>

#include <thread>

#include "tensor/aten.h"
#include "tensor/host_memory.h"

namespace easel {
namespace {

TEST(KernelsMemory, LargeBlocksComeBackAndAreBounded) {
  recycle_host_memory(std::size_t{512} << 20);
  empty_host_memory();
  const void* before = nullptr;
  {
    const Tensor x = at::empty({3 << 20}, at::kFloat);
    before = x.const_data_ptr();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(before) % 64, 0u);
  }
  const Tensor again = at::empty({3 << 20}, at::kFloat);
  EXPECT_EQ(again.const_data_ptr(), before);
  EXPECT_NE(at::empty({3 << 20}, at::kFloat).const_data_ptr(), before) << "a block in use is handed out twice";
  EXPECT_GT(empty_host_memory(), std::size_t{11} << 20);
  EXPECT_EQ(empty_host_memory(), 0u);
  { const Tensor huge = at::empty({std::int64_t{600} << 20}, at::kByte); }
  EXPECT_EQ(empty_host_memory(), 0u) << "more than the bound was kept";
}

TEST(KernelsMemory, TooMuchFailsAsWithTheUsualAllocator) {
  recycle_host_memory();
  try {
    at::empty({std::int64_t{1} << 52}, at::kByte);
    FAIL() << "4 PB were granted";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what_without_backtrace()).find("can't allocate memory"), std::string::npos);
  }
}

TEST(KernelsMemory, AllocatorServesManyThreadsAndResizes) {
  recycle_host_memory();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 50; ++i) {
        Tensor x = at::full({(1 + (t + i) % 5) << 18}, t * 1000 + i, at::kFloat);
        x.resize_({x.size(0) + (1 << 18)});
        EXPECT_EQ(x[0].item<float>(), t * 1000 + i);
        EXPECT_EQ(x[(1 << 18) - 1].item<float>(), t * 1000 + i);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace easel
