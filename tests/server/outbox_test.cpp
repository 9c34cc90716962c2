#include "server/outbox.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace easel::server {
namespace {

SharedFrame frame(const std::string& bytes, const std::string& kind = "") {
  return std::make_shared<Frame>(Frame{bytes, false, kind});
}

std::vector<std::string> drain(Outbox& outbox) {
  std::vector<std::string> all;
  while (const auto next = outbox.pop()) all.push_back(next->bytes);
  return all;
}

TEST(Outbox, AClientThatKeepsUpSeesEveryStep) {
  Outbox outbox;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(outbox.push(frame(std::to_string(i), "progress")));
  EXPECT_EQ(drain(outbox).size(), 5u);
}

TEST(Outbox, ALaggingClientGetsTheNewestProgressAndEveryEvent) {
  Outbox outbox;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(outbox.push(frame("progress" + std::to_string(i), "progress")));
    EXPECT_TRUE(outbox.push(frame("preview" + std::to_string(i), "preview")));
    if (i % 10 == 0) {
      EXPECT_TRUE(outbox.push(frame("event" + std::to_string(i))));
    }
  }
  const auto all = drain(outbox);
  EXPECT_LT(all.size(), 130u);
  EXPECT_EQ(std::ranges::count_if(all, [](const auto& text) { return text.starts_with("event"); }), 100);
  EXPECT_EQ(all.back(), "preview999");
  EXPECT_EQ(outbox.bytes(), 0u);
}

TEST(Outbox, TooManyEventsCloseIt) {
  Outbox outbox;
  for (size_t i = 0; i < Outbox::kMaxFrames; ++i) EXPECT_TRUE(outbox.push(frame("event")));
  EXPECT_FALSE(outbox.push(frame("event")));
  EXPECT_TRUE(outbox.empty()) << "its memory is given back at once";
  EXPECT_FALSE(outbox.push(frame("event"))) << "and it stays closed";
}

TEST(Outbox, TooManyBytesCloseIt) {
  Outbox outbox;
  EXPECT_TRUE(outbox.push(frame(std::string(Outbox::kMaxBytes + 1, 'x')))) << "one large frame may pass alone";
  EXPECT_FALSE(outbox.push(frame("x")));
}

}  // namespace
}  // namespace easel::server
