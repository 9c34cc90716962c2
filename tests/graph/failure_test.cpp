#include "graph/failure.h"

#include <gtest/gtest.h>

#include <new>

#include "base/error.h"

namespace easel {
namespace {

template <class T>
Failure failure_of(T thrown, std::function<bool()> is_out_of_memory = {}) {
  try {
    throw thrown;
  } catch (...) {
    return current_failure(is_out_of_memory);
  }
}

TEST(Failure, NamesAndMessages) {
  EXPECT_EQ(failure_of(Error("load: no")).type, "RuntimeError");
  EXPECT_EQ(failure_of(Error("load: no")).message, "load: no");
  EXPECT_EQ(failure_of(std::out_of_range("x")).type, "std::out_of_range");
  EXPECT_EQ(failure_of(Error("what\nException raised from f at x.cpp:1\nframe #0")).message, "what");
  EXPECT_EQ(failure_of(Error("bad \xff byte")).message, "bad \xEF\xBF\xBD byte");
  EXPECT_EQ(failure_of(5).type, "UnknownError");
  EXPECT_FALSE(failure_of(5).out_of_memory);
}

TEST(Failure, OutOfMemory) {
  const Failure host = failure_of(std::bad_alloc());
  EXPECT_TRUE(host.out_of_memory);
  EXPECT_EQ(host.type, "MemoryError");
  const Failure device = failure_of(Error("CUDA: 5 GiB"), [] { return true; });
  EXPECT_TRUE(device.out_of_memory);
  EXPECT_EQ(device.type, "torch.OutOfMemoryError");
  EXPECT_NE(device.message.find("CUDA: 5 GiB"), std::string::npos);
}

TEST(Failure, ReadableType) { EXPECT_EQ(readable_type(typeid(easel::Failure).name()), "easel::Failure"); }

}  // namespace
}  // namespace easel
