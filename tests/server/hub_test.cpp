#include "server/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace easel::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HubTest : public testing::Test {
 protected:
  HubTest() : hub_(100) {
    hub_.on_status([] { return 3; });
  }
  std::shared_ptr<Hub::Peer> join(const std::string& sid) {
    return hub_.connect(sid, [] {});
  }
  // The types of what waits for the peer; binary frames as "#event".
  std::vector<std::string> types(const std::shared_ptr<Hub::Peer>& peer) {
    std::vector<std::string> all;
    while (const auto frame = hub_.next(peer))
      all.push_back(frame->binary ? "#" + std::to_string(frame->bytes[3])
                                  : Json::parse(frame->bytes)["type"].get<std::string>());
    return all;
  }
  Hub hub_;
};

TEST_F(HubTest, TheFirstMessageIsTheStatusWithTheSidAndTheTrueCount) {
  const auto peer = join("me");
  const Json first = Json::parse(hub_.next(peer)->bytes);
  EXPECT_EQ(
      first,
      Json::parse(R"({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 3}}, "sid": "me"}})"));
}

TEST_F(HubTest, StatusGoesToAllWithoutASid) {
  const auto a = join("a"), b = join("b");
  types(a), types(b);
  hub_.send_status();
  EXPECT_FALSE(Json::parse(hub_.next(a)->bytes)["data"].contains("sid"));
  EXPECT_THAT(types(b), ElementsAre("status"));
}

TEST_F(HubTest, MessagesReachTheirClientAlone) {
  const auto a = join("a"), b = join("b");
  types(a), types(b);
  hub_.send("a", "executing", "{}");
  EXPECT_THAT(types(a), ElementsAre("executing"));
  EXPECT_THAT(types(b), IsEmpty());
}

TEST_F(HubTest, WithoutAnOwnerSomeAreBroadcastAndSomeSuppressed) {
  const auto a = join("a");
  types(a);
  hub_.send(std::nullopt, "executing", "{}");
  hub_.send_or_broadcast(std::nullopt, "progress", "{}");
  hub_.send_preview(std::nullopt, "{}", "image/png", "x");
  hub_.send_text(std::nullopt, "1", "x");
  EXPECT_THAT(types(a), ElementsAre("progress", "#1", "#3"));
  hub_.send_or_broadcast("", "progress", "{}");
  EXPECT_THAT(types(a), IsEmpty()) << "an empty client_id is somebody who is not there";
}

TEST_F(HubTest, TwoSocketsOfOneSidBothHear) {
  const auto a = join("me"), b = join("me");
  types(a), types(b);
  hub_.send("me", "executed", "{}");
  EXPECT_THAT(types(a), ElementsAre("executed"));
  EXPECT_THAT(types(b), ElementsAre("executed"));
  hub_.disconnect(a);
  hub_.send("me", "executed", "{}");
  EXPECT_THAT(types(b), ElementsAre("executed"));
  EXPECT_EQ(hub_.count(), 1u);
}

TEST_F(HubTest, TheOldestOfTooManySocketsOfOneSidIsClosed) {
  const auto oldest = join("me");
  std::vector<std::shared_ptr<Hub::Peer>> others;
  for (int i = 0; i < 16; ++i) others.push_back(join("me"));
  EXPECT_TRUE(hub_.is_closing(oldest));
  EXPECT_FALSE(hub_.is_closing(others.front()));
}

TEST_F(HubTest, ThePreviewComesAsTheClientCanReadIt) {
  const auto old = join("me"), modern = join("me");
  hub_.receive(modern, R"({"type": "feature_flags", "data": {"supports_preview_metadata": true}})", true);
  types(old);
  EXPECT_THAT(types(modern), ElementsAre("status", "feature_flags"));
  hub_.send_preview("me", R"({"node_id": "3"})", "image/jpeg", "JPEG");
  EXPECT_EQ(hub_.next(old)->bytes, std::string("\0\0\0\1\0\0\0\1JPEG", 12));
  EXPECT_EQ(hub_.next(modern)->bytes, std::string("\0\0\0\4\0\0\0\x10{\"node_id\": \"3\"}JPEG", 28));
}

TEST_F(HubTest, OnlyTheFirstFrameIsReadAndRubbishIsIgnored) {
  const auto peer = join("me");
  types(peer);
  hub_.receive(peer, R"({"type": "feature_flags", "data": {}})", false);
  hub_.receive(peer, "{", true);
  hub_.receive(peer, "[]", true);
  hub_.receive(peer, R"({"type": "feature_flags", "data": 7})", true);
  EXPECT_THAT(types(peer), ElementsAre("feature_flags"));
}

TEST_F(HubTest, WhoComesBackHearsTheRunningState) {
  hub_.send("me", "executing", R"({"node": "1"})");
  hub_.send("me", "executing", R"({"node": "2"})");
  hub_.send_or_broadcast("me", "progress_state", R"({"nodes": {}})");
  const auto peer = join("me");
  types(join("other"));
  hub_.next(peer);
  EXPECT_EQ(Json::parse(hub_.next(peer)->bytes)["data"]["node"], "2");
  EXPECT_THAT(types(peer), ElementsAre("progress_state"));
  EXPECT_THAT(types(join("other")), ElementsAre("status"));
  types(peer);
  hub_.send_over("me", R"({"node": null})");
  EXPECT_THAT(types(peer), ElementsAre("executing"));
  EXPECT_THAT(types(join("me")), ElementsAre("status")) << "nothing is repeated after the end";
}

TEST_F(HubTest, AClientThatNeverReadsIsClosedAndDelaysNobody) {
  const auto stuck = join("me"), good = join("me");
  for (int i = 0; i < 300; ++i) {
    hub_.send("me", "executed", "{}");
    while (hub_.next(good)) {
    }
  }
  EXPECT_TRUE(hub_.is_closing(stuck));
  EXPECT_FALSE(hub_.is_closing(good));
}

}  // namespace
}  // namespace easel::server
