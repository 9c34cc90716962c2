#include "server/waiters.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "server/later_response.h"

namespace easel::server {
namespace {

using namespace std::chrono_literals;

Waiters::Clock::time_point in(std::chrono::milliseconds time) { return Waiters::Clock::now() + time; }

TEST(Waiters, AreToldAtTheEndOfTheirPromptOnly) {
  Waiters waiters;
  std::promise<void> a, b;
  ASSERT_TRUE(waiters.wait("a", in(1h), [&] { a.set_value(); }));
  ASSERT_TRUE(waiters.wait("b", in(1h), [&] { b.set_value(); }));
  EXPECT_EQ(waiters.prompt_ids(), (std::vector<std::string>{"a", "b"}));
  auto told_b = b.get_future();
  waiters.ended("nobody");
  waiters.ended("a");
  EXPECT_EQ(a.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_EQ(told_b.wait_for(50ms), std::future_status::timeout);
  waiters.stop();
  EXPECT_EQ(told_b.wait_for(0s), std::future_status::ready) << "all are told when it stops";
  EXPECT_FALSE(waiters.wait("c", in(1h), [] {}));
}

TEST(Waiters, AreToldAtTheirDeadline) {
  Waiters waiters;
  std::promise<void> late, early;
  waiters.wait("a", in(1h), [] {});
  waiters.wait("a", in(30ms), [&] { early.set_value(); });
  EXPECT_EQ(early.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_EQ(waiters.prompt_ids().size(), 1u);
}

TEST(Waiters, HaveABound) {
  Waiters waiters;
  std::atomic<size_t> told = 0;
  for (size_t i = 0; i < Waiters::kMost; ++i) ASSERT_TRUE(waiters.wait("a", in(1h), [&] { ++told; }));
  EXPECT_FALSE(waiters.wait("a", in(1h), [&] { ++told; }));
  waiters.stop();
  EXPECT_EQ(told, Waiters::kMost);
}

TEST(Waiters, OneThatThrowsHarmsNobody) {
  Waiters waiters;
  std::promise<void> told;
  waiters.wait("a", in(1h), [] { throw std::runtime_error("no"); });
  waiters.wait("a", in(1h), [&] { told.set_value(); });
  waiters.ended("a");
  EXPECT_EQ(told.get_future().wait_for(10s), std::future_status::ready);
}

TEST(LaterResponse, WhicheverComesFirst) {
  for (const bool made_first : {true, false}) {
    LaterResponse later;
    const Response promise = later.promise();
    std::string sent;
    const auto send = [&](Response response) { sent = response.body; };
    if (made_first) later.put(text_response(200, "here"));
    promise.later(send);
    if (!made_first) later.put(text_response(200, "here"));
    EXPECT_EQ(sent, "here");
  }
}

}  // namespace
}  // namespace easel::server
