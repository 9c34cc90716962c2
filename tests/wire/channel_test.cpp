#include "wire/channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"

namespace easel::wire {
namespace {

struct Pair {
  Pair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0); }
  int fds[2];
};

TEST(Channel, SendsAndReceives) {
  Pair pair;
  Channel one(pair.fds[0]), other(pair.fds[1]);
  one.send(Interrupt{"a"});
  one.send(Shutdown());
  EXPECT_EQ(std::get<Interrupt>(*other.receive()).prompt_id, "a");
  EXPECT_TRUE(std::holds_alternative<Shutdown>(*other.receive()));
  other.send(Log{"info", "back"});
  EXPECT_EQ(std::get<Log>(*one.receive()).text, "back");
}

TEST(Channel, MessagesLargerThanTheSocketHolds) {
  Pair pair;
  Channel one(pair.fds[0]), other(pair.fds[1]);
  const std::string large(10 << 20, 'x');
  std::thread sender([&] { one.send(Text{"p", "n", large}); });
  EXPECT_EQ(std::get<Text>(*other.receive()).text, large);
  sender.join();
}

TEST(Channel, ManySendersDoNotMixTheirFrames) {
  Pair pair;
  Channel one(pair.fds[0]), other(pair.fds[1]);
  std::vector<std::thread> senders;
  for (int sender = 0; sender < 4; ++sender)
    senders.emplace_back([&, sender] {
      for (int i = 0; i < 200; ++i) one.send(Progress{"p", std::to_string(sender), i, 200});
    });
  std::vector<int64_t> next(4);
  for (int i = 0; i < 800; ++i) {
    const auto progress = std::get<Progress>(*other.receive());
    EXPECT_EQ(progress.value, next[std::stoi(progress.node)]++);
  }
  for (auto& sender : senders) sender.join();
}

TEST(Channel, EndOfStream) {
  Pair pair;
  auto one = std::make_unique<Channel>(pair.fds[0]);
  Channel other(pair.fds[1]);
  one->send(Shutdown());
  one.reset();
  EXPECT_TRUE(other.receive());
  EXPECT_FALSE(other.receive());
  EXPECT_THROW(for (int i = 0; i < 3; ++i) other.send(Shutdown()), Error);
}

TEST(Channel, ShutDownWakesAReceiver) {
  Pair pair;
  Channel one(pair.fds[0]), other(pair.fds[1]);
  std::thread receiver([&] { EXPECT_FALSE(other.receive()); });
  other.shut_down();
  receiver.join();
}

TEST(Channel, MalformedFrames) {
  const auto receive = [](const std::string& bytes) {
    Pair pair;
    Channel channel(pair.fds[1]);
    EXPECT_EQ(write(pair.fds[0], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    close(pair.fds[0]);
    return channel.receive();
  };
  using namespace std::string_literals;
  EXPECT_FALSE(receive(""));
  EXPECT_THROW(receive("\0\0"s), Error);                  // cut inside the length
  EXPECT_THROW(receive("\0\0\0\5ab"s), Error);            // cut inside the frame
  EXPECT_THROW(receive("\xff\xff\xff\xff"s), Error);      // 4 GiB
  EXPECT_THROW(receive("\x1f\xff\xff\xff"s), Error);      // 512 MiB that do not come: refused without allocating them
  EXPECT_THROW(receive("\0\0\0\0"s), Error);              // an empty frame
  EXPECT_THROW(receive("\0\0\0\3\xff\xff\xff"s), Error);  // no CBOR
}

}  // namespace
}  // namespace easel::wire
