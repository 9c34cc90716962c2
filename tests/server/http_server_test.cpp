// The event loop over real sockets, with bounds that are short enough to wait for.
#include "server/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/error.h"

namespace easel::server {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer = 0) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;

  bool send(std::string_view text) {
    return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  std::string some() {
    std::string text(65536, '\0');
    const ssize_t got = recv(fd_, text.data(), text.size(), 0);
    text.resize(got > 0 ? got : 0);
    return text;
  }
  std::string until_closed() {
    std::string all;
    for (std::string more; !(more = some()).empty();) all += more;
    return all;
  }
  std::string ask(std::string_view text) { return send(text) ? some() : ""; }

 private:
  int fd_;
};

constexpr const char* kGet = "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr const char* kUpgrade =
    "GET /ws?clientId=me HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    router_.get("/small", [](const Request&) { return text_response(200, "small"); });
    router_.get("/large", [](const Request&) { return text_response(200, std::string(64 << 20, 'x')); });
    router_.post("/echo", [](const Request& request) { return text_response(200, std::string(request.body)); });
    router_.get("/later", [this](const Request&) {
      Response response;
      response.later = [this](auto answer) {
        std::lock_guard lock(mutex_);
        answer_ = std::move(answer);
      };
      return response;
    });
    options_.port = 0;
  }
  ~HttpServerTest() override { stop(); }

  void start() {
    server_.emplace(options_, router_, hub_);
    server_->listen();
    thread_ = std::thread([this] { server_->run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    server_->stop();
    thread_.join();
    server_.reset();
  }
  uint16_t port() const { return server_->port(); }
  // What the handler of /later was given, on the loop's thread.
  std::function<void(Response)> answer() {
    for (;; std::this_thread::sleep_for(10ms)) {
      std::lock_guard lock(mutex_);
      if (answer_) return answer_;
    }
  }
  bool still_answers() { return Client(port()).ask(kGet).ends_with("small"); }

  HttpOptions options_;
  Router router_;
  Hub hub_{100};
  std::optional<HttpServer> server_;
  std::mutex mutex_;  // guards answer_
  std::function<void(Response)> answer_;
  std::thread thread_;
};

TEST_F(HttpServerTest, KeepsAConnectionAndAnswersInOrder) {
  start();
  Client client(port());
  EXPECT_TRUE(client.ask(kGet).ends_with("small"));
  client.send(std::string(kGet) + "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nfour" +
              "GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::string all = client.until_closed();
  const size_t first = all.find("small"), second = all.find("four"), third = all.find("404");
  EXPECT_TRUE(first < second && second < third && third != std::string::npos) << all;
}

TEST_F(HttpServerTest, ASlowHeadIsCutOff) {
  options_.limits.header = 300ms;
  start();
  Client client(port()), silent(port());
  client.send("GET /small HTTP/1.1\r\nHost: local");
  EXPECT_EQ(client.until_closed(), "");
  EXPECT_EQ(silent.until_closed(), "");
  EXPECT_TRUE(still_answers());
}

TEST_F(HttpServerTest, ASlowBodyIsCutOff) {
  options_.limits.header = 300ms;
  start();
  Client client(port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx");
  EXPECT_EQ(client.until_closed(), "");
  EXPECT_TRUE(still_answers());
}

TEST_F(HttpServerTest, AnIdleConnectionIsClosed) {
  options_.limits.idle = 300ms;
  start();
  Client client(port());
  EXPECT_TRUE(client.ask(kGet).ends_with("small"));
  EXPECT_EQ(client.until_closed(), "");
}

TEST_F(HttpServerTest, WhoTakesNoAnswerIsCutOff) {
  options_.limits.write = 300ms;
  start();
  Client client(port(), 4096);
  client.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::this_thread::sleep_for(1500ms);
  EXPECT_LT(client.until_closed().size(), size_t{32} << 20);
  EXPECT_TRUE(still_answers());
}

TEST_F(HttpServerTest, OneAddressHasSoManyConnections) {
  options_.limits.per_address = 3;
  options_.limits.loopback_too = true;
  start();
  {
    Client a(port()), b(port()), c(port());
    EXPECT_TRUE(a.ask(kGet).ends_with("small"));
    EXPECT_TRUE(b.ask(kGet).ends_with("small"));
    EXPECT_TRUE(c.ask(kGet).ends_with("small"));
    EXPECT_TRUE(Client(port()).some().starts_with("HTTP/1.1 429"));
    EXPECT_TRUE(a.ask(kGet).ends_with("small")) << "those who are in stay in";
  }
  for (int tries = 0; tries < 100; ++tries) {
    if (still_answers()) return;
    std::this_thread::sleep_for(50ms);
  }
  FAIL() << "places are not given back";
}

TEST_F(HttpServerTest, BeyondTheBoundOfAllTheAnswerIs503) {
  options_.limits.connections = 2;
  start();
  Client a(port()), b(port());
  EXPECT_TRUE(a.ask(kGet).ends_with("small"));
  EXPECT_TRUE(b.ask(kGet).ends_with("small"));
  EXPECT_TRUE(Client(port()).some().starts_with("HTTP/1.1 503"));
  EXPECT_TRUE(a.ask(kGet).ends_with("small"));
}

TEST_F(HttpServerTest, WhatCouldBeReadInTwoWaysIsRefusedAndClosed) {
  options_.limits.header = 1s;
  start();
  const std::string post = "POST /echo HTTP/1.1\r\nHost: localhost\r\n",
                    smuggled = "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n";
  for (const std::string& head :
       {post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: xchunked\r\n\r\n", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc", post + "Content-Length: +5\r\n\r\nabcde",
        post + "Content-Length: 5, 5\r\n\r\nabcde", post + "Content-Length: 0x5\r\n\r\nabcde",
        post + "Host: evil.org\r\nContent-Length: 0\r\n\r\n", post + "Bad Name: x\r\nContent-Length: 0\r\n\r\n",
        post + "Content-Length : 0\r\n\r\n", post + "Content-Length: 0\n\n",
        post + std::string("X: a\0b\r\nContent-Length: 0\r\n\r\n", 30),
        std::string("POST /echo HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
        std::string("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")}) {
    Client client(port());
    client.send(head + smuggled);
    const std::string answer = client.until_closed();
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 4")) << head << "\n-> " << answer.substr(0, 100);
    EXPECT_EQ(answer.find("small"), std::string::npos) << head;
  }
  EXPECT_TRUE(still_answers());
}

TEST_F(HttpServerTest, WhoVanishesIsPingedAndWhoAnswersStays) {
  options_.limits.ping = 200ms;
  options_.limits.silent = 3s;
  start();
  Client answers(port()), silent(port());
  ASSERT_TRUE(answers.ask(kUpgrade).starts_with("HTTP/1.1 101"));
  ASSERT_TRUE(silent.ask(kUpgrade).starts_with("HTTP/1.1 101"));
  const auto end = Clock::now() + 60s;
  while (hub_.count() < 2 && Clock::now() < end) std::this_thread::sleep_for(5ms);  // the 101 comes a moment before
  size_t pings = 0;
  while (hub_.count() > 1 && Clock::now() < end) {
    const std::string frames = answers.some();
    ASSERT_FALSE(frames.empty()) << "it answers, and is closed all the same";
    for (size_t i = 0; i + 1 < frames.size(); ++i) {
      if (frames[i] != '\x89' || frames[i + 1] != '\0') continue;
      ++pings;
      answers.send(std::string("\x8a\x80\0\0\0\0", 6));
    }
  }
  EXPECT_GE(pings, 3u);
  EXPECT_NE(silent.until_closed().find("\x89"), std::string::npos) << "pinged, then closed";
  EXPECT_EQ(hub_.count(), 1u);
}

TEST_F(HttpServerTest, FramesThatAreNoneEndTheirSocketAlone) {
  start();
  const std::string mask(4, '\0');
  for (const std::string& frame :
       {std::string(100, '\xff'), std::string("\x81\x05hello", 7), "\x83\x80" + mask, "\xc1\x80" + mask,
        "\x09\x80" + mask, std::string("\x89\xfe\x01\0", 4) + mask, "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + mask,
        "\x80\x80" + mask, std::string("\x81\x82\0\0\0\0\xff\xfe", 8), "\x88\x81" + mask + "x"}) {
    Client client(port());
    ASSERT_TRUE(client.ask(kUpgrade).starts_with("HTTP/1.1 101"));
    client.send(frame);
    client.until_closed();
  }
  EXPECT_TRUE(still_answers());
}

TEST_F(HttpServerTest, WhoSpeaksBeforeTheHandshakeIsAnsweredIsRefused) {
  start();
  Client client(port());
  client.send(std::string(kUpgrade) + std::string("\x81\x80\0\0\0\0", 6));
  EXPECT_TRUE(client.until_closed().starts_with("HTTP/1.1 400"));
}

TEST_F(HttpServerTest, AnAnswerThatComesLater) {
  start();
  Client client(port());
  client.send("GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto later = answer();
  EXPECT_TRUE(still_answers()) << "and no thread waits for it";
  std::thread([&] { later(text_response(200, "late")); }).join();
  EXPECT_TRUE(client.some().ends_with("late"));
}

TEST_F(HttpServerTest, AnAnswerThatComesAfterTheEnd) {
  start();
  Client client(port());
  client.send("GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto later = answer();
  stop();
  later(text_response(200, "too late"));
  EXPECT_EQ(client.until_closed(), "");
}

TEST_F(HttpServerTest, HealthIsAnsweredWhileEveryThreadIsBusy) {
  options_.healthy = [] { return true; };
  std::atomic<bool> go{false};
  router_.get("/stuck", [&go](const Request&) {
    while (!go) std::this_thread::sleep_for(10ms);
    return text_response(200, "");
  });
  start();
  std::vector<std::unique_ptr<Client>> stuck;
  for (int i = 0; i < 12; ++i) {
    stuck.push_back(std::make_unique<Client>(port()));
    stuck.back()->send("GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  EXPECT_TRUE(Client(port()).ask("GET /healthz HTTP/1.1\r\nHost: pod-7\r\n\r\n").starts_with("HTTP/1.1 200"));
  go = true;
  for (const auto& client : stuck) EXPECT_TRUE(client->some().starts_with("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, WrongTlsFilesAreNamed) {
  options_.tls_key_file = "/nowhere/key.pem";
  EXPECT_THROW(start(), Error);
  options_.tls_certificate = "/nowhere/cert.pem";
  EXPECT_THROW(start(), Error);
}

}  // namespace
}  // namespace easel::server
