#include "server/request_body.h"

#include <gtest/gtest.h>

namespace easel::server {
namespace {

TEST(RequestBody, SmallStaysInMemory) {
  RequestBody body;
  EXPECT_FALSE(body.needs_file(10));
  body.append("hello ");
  body.append("world");
  EXPECT_EQ(body.view(), "hello world");
}

TEST(RequestBody, Empty) {
  RequestBody body;
  EXPECT_EQ(body.view(), "");
}

TEST(RequestBody, LargeGoesToAFile) {
  RequestBody body;
  std::string all;
  for (int i = 0; i < 40; ++i) {
    const std::string chunk(64 * 1024, static_cast<char>('a' + i % 26));
    EXPECT_EQ(body.needs_file(chunk.size()), all.size() + chunk.size() > RequestBody::kInMemory);
    body.append(chunk);
    all += chunk;
  }
  EXPECT_EQ(body.view(), all);
  EXPECT_EQ(body.size(), all.size());
}

}  // namespace
}  // namespace easel::server
