#include "wire/serve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "test_worker/test_nodes.h"
#include "wire/channel.h"
#include "wire/spawn.h"

namespace easel::wire {
namespace {

using testing::ElementsAre;

constexpr const char* kShow = R"({"1": {"class_type": "TestInt", "inputs": {"value": 5}},
    "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})";
constexpr const char* kSleep = R"({"1": {"class_type": "TestSleep", "inputs": {"value": 1, "seconds": 60.0}},
    "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})";

// The other end of a worker that runs in a thread.
class Serve : public testing::Test {
 protected:
  void SetUp() override {
    test::add_test_nodes(registry_, {.fingerprint = []() -> Json { fail("no such file"); }});
    test::add_power_nodes(registry_);
    services_.version = "test";
    services_.devices = [] { return std::vector<Device>{{.name = "cpu", .type = "cpu"}}; };
    services_.free = [this](bool unload, bool memory) {
      freed_ += std::string(unload ? "u" : "") + (memory ? "m" : "") + " ";
    };
    services_.list_models = [] { return std::vector<ModelFile>{{"vae", "a", "SD1", 5}}; };
    services_.after_prompt = [this] { ++after_; };
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    server_ = std::make_unique<Channel>(fds[0]);
    worker_ = std::thread([this, fd = fds[1]] { status_ = serve(fd, registry_, services_); });
    EXPECT_EQ(next<Hello>().version, "test");
  }
  void TearDown() override {
    if (server_) server_->shut_down();
    if (worker_.joinable()) worker_.join();
  }
  int end() {
    worker_.join();
    return status_;
  }

  // The next message of this type; those before it go to seen_.
  template <class T>
  T next() {
    while (auto message = server_->receive()) {
      if (auto* one = std::get_if<T>(&*message)) return *one;
      seen_.push_back(*message);
    }
    ADD_FAILURE() << "the stream has ended";
    return {};
  }
  template <class T>
  size_t count_seen() const {
    return std::count_if(seen_.begin(), seen_.end(), [](const Message& m) { return std::holds_alternative<T>(m); });
  }

  Registry registry_;
  WorkerServices services_;
  std::unique_ptr<Channel> server_;
  std::vector<Message> seen_;
  std::string freed_;
  int after_ = 0, status_ = -1;
  std::thread worker_;
};

TEST_F(Serve, RunsAPromptAndReports) {
  server_->send(wire::Run{.prompt_id = "p", .prompt = kShow, .outputs = {"2"}});
  EXPECT_EQ(next<ExecutionStart>().prompt_id, "p");
  EXPECT_THAT(next<ExecutionCached>().nodes, ElementsAre());
  EXPECT_EQ(next<ProgressState>().nodes[0].node_id, "1");
  EXPECT_EQ(next<Executing>().node, "1");
  EXPECT_EQ(next<Executing>().node, "2");
  EXPECT_EQ(next<Text>().text, "showing 5");
  EXPECT_EQ(next<Executed>().output.dump(), R"({"text":["5"]})");
  EXPECT_GT(next<ExecutionSuccess>().timestamp, 1'500'000'000'000);
  const Finished finished = next<Finished>();
  EXPECT_EQ(finished.status, "success");
  EXPECT_EQ(finished.outputs.dump(), R"({"2":{"text":["5"]}})");
  EXPECT_EQ(finished.meta["2"]["node_id"], "2");
  server_->send(wire::Run{.prompt_id = "q", .prompt = kShow, .outputs = {"2"}});
  EXPECT_THAT(next<ExecutionCached>().nodes, ElementsAre("1", "2"));
  next<Finished>();
  server_->send(Shutdown());
  EXPECT_EQ(end(), 0);
  EXPECT_EQ(after_, 2);
}

TEST_F(Serve, PreviewsAndErrors) {
  server_->send(wire::Run{.prompt_id = "p",
                          .prompt = R"({"1": {"class_type": "TestSleep", "inputs": {"value": 1, "seconds": 0.01}},
                                  "2": {"class_type": "TestFail", "inputs": {"value": ["1", 0], "message": "no"}},
                                  "3": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}})",
                          .outputs = {"3"},
                          .preview_method = "auto"});
  EXPECT_EQ(next<Preview>().mime, "image/jpeg");
  const ExecutionError error = next<ExecutionError>();
  EXPECT_EQ(error.node_id, "2");
  EXPECT_EQ(error.exception_message, "no");
  EXPECT_THAT(error.executed, ElementsAre("1"));
  EXPECT_EQ(next<Finished>().status, "error");
  EXPECT_EQ(count_seen<ExecutionSuccess>(), 0u);
}

TEST_F(Serve, APromptThatCannotBeReadIsAnError) {
  for (const char* prompt : {"nonsense", R"({"1": {"class_type": "Nope"}})"}) {
    server_->send(wire::Run{.prompt_id = "p", .prompt = prompt, .outputs = {"1"}});
    EXPECT_NE(next<ExecutionError>().exception_message, "");
    EXPECT_EQ(next<Finished>().status, "error");
  }
}

TEST_F(Serve, InterruptsTheRunningAndTheWaiting) {
  server_->send(wire::Run{.prompt_id = "p", .prompt = kSleep, .outputs = {"2"}});
  server_->send(wire::Run{.prompt_id = "q", .prompt = kShow, .outputs = {"2"}});
  next<Progress>();
  server_->send(Interrupt{"q"});
  server_->send(Interrupt{"unknown"});
  server_->send(MemoryQuery());  // answered while p runs
  EXPECT_GT(next<Memory>().resident, 0u);
  server_->send(Interrupt{"p"});
  EXPECT_EQ(next<ExecutionInterrupted>().node_id, "1");
  EXPECT_EQ(next<Finished>().status, "interrupted");
  EXPECT_EQ(next<ExecutionInterrupted>().prompt_id, "q");
  EXPECT_EQ(next<Finished>().status, "interrupted");
  server_->send(Interrupt{""});  // nothing runs
  server_->send(wire::Run{.prompt_id = "r", .prompt = kShow, .outputs = {"2"}});
  EXPECT_EQ(next<Finished>().status, "success");
}

TEST_F(Serve, FreeAndModels) {
  server_->send(wire::Run{.prompt_id = "p", .prompt = kShow, .outputs = {"2"}});
  server_->send(Free{.unload_models = true});
  server_->send(Free{.free_memory = true});
  server_->send(wire::Run{.prompt_id = "q", .prompt = kShow, .outputs = {"2"}});
  next<Finished>();
  EXPECT_THAT(next<ExecutionCached>().nodes, ElementsAre());
  next<Finished>();
  server_->send(ListModels());
  EXPECT_EQ(next<Models>().files.at(0).kind, "SD1");
  server_->send(Shutdown());
  end();
  EXPECT_EQ(freed_, "u m ");
}

TEST_F(Serve, TheLogGoesToTheServer) {
  server_->send(wire::Run{.prompt_id = "p",
                          .prompt = R"({"1": {"class_type": "TestFingerprint", "inputs": {"value": 1}}})",
                          .outputs = {"1"}});
  const Log entry = next<Log>();
  EXPECT_EQ(entry.level, "warning");
  EXPECT_EQ(entry.text, "node 1 (TestFingerprint): its fingerprint could not be taken: no such file");
}

TEST_F(Serve, EndsWithTheServerEvenInTheMiddleOfAPrompt) {
  server_->send(wire::Run{.prompt_id = "p", .prompt = kSleep, .outputs = {"2"}});
  next<Progress>();
  server_.reset();
  EXPECT_EQ(end(), 0);
}

TEST_F(Serve, ShutdownInterrupts) {
  server_->send(wire::Run{.prompt_id = "p", .prompt = kSleep, .outputs = {"2"}});
  next<Progress>();
  server_->send(Shutdown());
  EXPECT_EQ(next<Finished>().status, "interrupted");
  EXPECT_EQ(end(), 0);
}

TEST_F(Serve, MalformedMessagesEndIt) {
  ASSERT_EQ(send(server_->fd(), "\xff\xff\xff\xff", 4, 0), 4);
  EXPECT_EQ(end(), 1);
}

TEST_F(Serve, AMessageOfTheWrongDirectionEndsIt) {
  server_->send(Hello());
  EXPECT_EQ(end(), 1);
}

// The whole way, with the program that the server's tests use.
TEST(TestWorker, CrashesAreSeen) {
  const char* binary_dir = std::getenv("EASEL_BINARY_DIR");
  const std::string program = std::string(binary_dir ? binary_dir : ".") + "/bin/easel-test-worker";
  if (!std::filesystem::exists(program)) GTEST_SKIP() << program << " is not built";
  const Child child = spawn({program, "--base-directory", "/tmp"});
  Channel channel(child.fd);
  EXPECT_EQ(std::get<Hello>(*channel.receive()).pid, child.pid);
  channel.send(wire::Run{
      .prompt_id = "p", .prompt = R"({"1": {"class_type": "TestCrash", "inputs": {"value": 1}}})", .outputs = {"1"}});
  std::string last_node;
  while (auto message = channel.receive())
    if (auto* executing = std::get_if<Executing>(&*message)) last_node = executing->node;
  EXPECT_EQ(last_node, "1");
  EXPECT_EQ(describe_end(wait(child.pid)), "was killed by signal 6 (Aborted)");
}

TEST_F(Serve, NodesCheckWhatTheyAreToBeGivenAlsoDuringARun) {
  server_->send(wire::Run{.prompt_id = "slow", .prompt = kSleep, .outputs = {"2"}});
  next<Executing>();
  const CheckQuestion odd{.class_type = "TestChecked", .constants = {{"value", 3}}};
  const CheckQuestion linked{.class_type = "TestCheckedTypes", .link_types = {{"value", "STRING"}}};
  server_->send(Check{"7", {odd, linked, {.class_type = "Nope"}}});
  const Checked checked = next<Checked>();
  EXPECT_EQ(checked.id, "7");
  ASSERT_EQ(checked.answers.size(), 3);
  EXPECT_EQ(checked.answers[0].text, "3 is odd");
  EXPECT_TRUE(checked.answers[1].good);
  EXPECT_EQ(checked.answers[2].exception, "the check of Nope is not known here");
  EXPECT_EQ(count_seen<Finished>(), 0);
}

TEST_F(Serve, ABlockersMessageIsNoEnd) {
  server_->send(wire::Run{.prompt_id = "b",
                          .prompt = R"({
      "1": {"class_type": "TestBlock", "inputs": {"value": 1, "block": true, "message": "not today"}},
      "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})",
                          .outputs = {"2"}});
  const auto blocked = next<ExecutionBlocked>();
  EXPECT_EQ(blocked.node_id, "2");
  EXPECT_EQ(blocked.message, "not today");
  EXPECT_EQ(next<Finished>().status, "success");
}

}  // namespace
}  // namespace easel::wire
