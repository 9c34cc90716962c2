#include "graph/cache.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

TEST(OutputCache, KeepsWhatTheNextPromptUses) {
  const Signature a{1}, b{2}, c{3};
  OutputCache cache;
  cache.begin({a, b});
  auto result = std::make_shared<const NodeResult>();
  const std::weak_ptr<const NodeResult> watched = result;
  cache.store(a, result);
  cache.store(b, std::make_shared<const NodeResult>());
  EXPECT_EQ(cache.find(a), result);
  EXPECT_EQ(cache.find(c), nullptr);
  EXPECT_EQ(cache.find(std::nullopt), nullptr);
  result.reset();
  cache.begin({b, c, std::nullopt});
  EXPECT_TRUE(watched.expired());  // what holds models must be gone before the next prompt needs the memory
  EXPECT_NE(cache.find(b), nullptr);
  cache.clear();
  EXPECT_EQ(cache.find(b), nullptr);
}

TEST(OutputCache, WithoutASignatureNothingIsKept) {
  OutputCache cache;
  cache.store(std::nullopt, std::make_shared<const NodeResult>());
  EXPECT_EQ(cache.find(std::nullopt), nullptr);
}

}  // namespace
}  // namespace easel
