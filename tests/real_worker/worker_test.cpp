// The real easel-worker over its socket: ready, runs, says what goes wrong, ends.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "wire/channel.h"
#include "wire/spawn.h"

namespace easel {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

std::string program() {
  const char* folder = std::getenv("EASEL_BINARY_DIR");
  return (fs::path(folder ? folder : ".") / "bin/easel-worker").string();
}

int exit_status(const std::vector<std::string>& flags) {
  std::vector<std::string> argv{program()};
  argv.insert(argv.end(), flags.begin(), flags.end());
  const auto child = wire::spawn(argv);
  const int status = wire::wait(child.pid);
  close(child.fd);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class RealWorker : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(program())) GTEST_SKIP() << program() << " is not built";
    fs::create_directories(base / "output");
    child = wire::spawn({program(), "--fd", std::to_string(wire::kWorkerFd), "--base-directory", base.string()});
    channel = std::make_unique<wire::Channel>(child.fd);
  }
  void TearDown() override {
    if (channel) wire::stop(child.pid, 2000);
    fs::remove_all(base);
  }

  template <class T>
  T wait_for() {
    for (;;) {
      auto message = channel->receive();
      if (!message) throw std::runtime_error("the worker is gone");
      if (auto* found = std::get_if<T>(&*message)) return std::move(*found);
    }
  }

  const fs::path base = fs::temp_directory_path() / ("easel_worker_" + std::to_string(getpid()));
  wire::Child child;
  std::unique_ptr<wire::Channel> channel;
};

TEST_F(RealWorker, RunsAPromptAndEnds) {
  const auto hello = wait_for<wire::Hello>();
  EXPECT_EQ(hello.protocol, wire::kProtocol);
  ASSERT_EQ(hello.devices.size(), 1u);
  EXPECT_EQ(hello.devices[0].type, "cpu");
  EXPECT_GT(hello.devices[0].vram_free, 0u);

  channel->send(wire::Run{.prompt_id = "p",
                          .prompt = R"({
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 255}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}}})",
                          .outputs = {"3"}});
  const auto finished = wait_for<wire::Finished>();
  EXPECT_EQ(finished.status, "success");
  EXPECT_EQ(finished.outputs["3"]["images"][0]["filename"], "x_00001_.png");
  EXPECT_TRUE(fs::exists(base / "output/x_00001_.png"));

  channel->send(wire::Free{.unload_models = true, .free_memory = true});
  channel->send(wire::MemoryQuery());
  EXPECT_GT(wait_for<wire::Memory>().resident, 0u);
  channel->send(wire::Shutdown());
  const int status = wire::wait(child.pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << wire::describe_end(status);
  channel.reset();
}

TEST_F(RealWorker, SaysWhatAnAbsentModelIs) {
  channel->send(wire::Run{.prompt_id = "p",
                          .prompt = R"({
    "1": {"class_type": "VAELoader", "inputs": {"vae_name": "absent.safetensors"}},
    "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}})",
                          .outputs = {"2"}});
  const auto error = wait_for<wire::ExecutionError>();
  EXPECT_EQ(error.node_id, "1");
  EXPECT_NE(error.exception_message.find("absent.safetensors"), std::string::npos) << error.exception_message;
  EXPECT_EQ(wait_for<wire::Finished>().status, "error");
}

TEST_F(RealWorker, AServerThatGoesTakesItAlong) {
  wait_for<wire::Hello>();
  channel->shut_down();
  std::optional<int> status;
  for (int i = 0; i < 1500 && !(status = wire::poll(child.pid)); i++) std::this_thread::sleep_for(20ms);
  ASSERT_TRUE(status) << "it is still there";
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << wire::describe_end(*status);
  channel.reset();
}

TEST(RealWorkerFlags, UnknownOnesAreRefused) {
  if (!fs::exists(program())) GTEST_SKIP() << program() << " is not built";
  EXPECT_NE(exit_status({"--no-such-flag", "--fd", "3"}), 0);
  EXPECT_NE(exit_status({}), 0);
  EXPECT_NE(exit_status({"--fp16-unet", "--bf16-unet", "--fd", "3"}), 0);
  EXPECT_EQ(exit_status({"--describe"}), 0);
}

}  // namespace
}  // namespace easel
