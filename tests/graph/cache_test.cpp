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

SharedResult result_of(size_t bytes) {
  return std::make_shared<const NodeResult>(NodeResult{{{Value::of(std::string(bytes, 'x'))}}, nullptr});
}

TEST(OutputCache, WhatANodeMadeStaysAsLongAsTheNode) {
  const Signature one{1}, two{2}, three{3};
  OutputCache cache;
  const auto has_loop = [](const std::string& owner) { return owner == "loop"; };
  cache.begin({one}, has_loop);
  cache.expands("loop");
  cache.store(two, result_of(1), "loop");
  cache.store(three, result_of(1), "gone");
  cache.begin({one}, has_loop);
  EXPECT_NE(cache.find(two), nullptr);
  EXPECT_EQ(cache.find(three), nullptr);
  cache.begin({one}, has_loop);
  cache.expands("loop");  // into others than before
  cache.begin({one}, has_loop);
  EXPECT_EQ(cache.find(two), nullptr);
}

TEST(OutputCache, LruKeepsSoManyOfSeveralPrompts) {
  const auto nth = [](unsigned char n) { return Signature{n}; };
  OutputCache cache({.kind = CachePolicy::Kind::kLru, .entries = 3});
  for (unsigned char prompt = 0; prompt < 3; ++prompt) {
    cache.begin({nth(prompt), nth(prompt + 10)});
    cache.store(nth(prompt), result_of(1));
    cache.store(nth(prompt + 10), result_of(1));
  }
  EXPECT_EQ(cache.size(), 4);  // while a prompt runs there may be more
  EXPECT_EQ(cache.find(nth(0)), nullptr);
  EXPECT_NE(cache.find(nth(1)), nullptr);
  cache.begin({nth(1)});  // is used, so it outlives what is younger
  EXPECT_EQ(cache.size(), 3);
  EXPECT_NE(cache.find(nth(1)), nullptr);
}

TEST(OutputCache, NoneKeepsNothing) {
  OutputCache cache({.kind = CachePolicy::Kind::kNone});
  cache.begin({Signature{1}});
  cache.store(Signature{1}, result_of(1));
  EXPECT_EQ(cache.find(Signature{1}), nullptr);
}

TEST(OutputCache, ABudgetInBytes) {
  for (const auto kind : {CachePolicy::Kind::kClassic, CachePolicy::Kind::kLru}) {
    OutputCache cache({.kind = kind, .entries = 100, .bytes = 10'000});
    for (unsigned char n = 0; n < 5; ++n) cache.store(Signature{n}, result_of(3'000));
    EXPECT_LE(cache.bytes(), 10'000);
    EXPECT_EQ(cache.size(), 3);
    EXPECT_EQ(cache.find(Signature{1}), nullptr);
    EXPECT_NE(cache.find(Signature{2}), nullptr);  // used last: stays longest
    cache.store(Signature{9}, result_of(3'000));
    EXPECT_EQ(cache.find(Signature{3}), nullptr);
    EXPECT_NE(cache.find(Signature{2}), nullptr);
    cache.store(Signature{10}, result_of(20'000));  // too large by itself
    EXPECT_EQ(cache.find(Signature{10}), nullptr);
    EXPECT_EQ(cache.size(), 3);
    cache.clear();
    EXPECT_EQ(cache.bytes(), 0);
  }
}

}  // namespace
}  // namespace easel
