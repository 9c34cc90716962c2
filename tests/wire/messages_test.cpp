#include "wire/messages.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace easel::wire {
namespace {

template <class T>
T round_trip(const T& message) {
  return std::get<T>(decode(encode(message)));
}

TEST(Messages, RoundTrip) {
  const wire::Run run = round_trip(wire::Run{.prompt_id = "p",
                                             .prompt = R"({"1": {}})",
                                             .outputs = {"1", "2"},
                                             .extra_pnginfo = "{}",
                                             .preview_method = "auto",
                                             .preview_size = 256});
  EXPECT_EQ(run.prompt_id, "p");
  EXPECT_EQ(run.prompt, R"({"1": {}})");
  EXPECT_EQ(run.outputs, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(run.preview_size, 256);

  const Hello hello = round_trip(Hello{.pid = 7,
                                       .devices = {{.name = "cpu", .type = "cpu", .vram_total = UINT64_MAX},
                                                   {.name = "cuda:1", .type = "cuda", .index = 1}}});
  EXPECT_EQ(hello.protocol, kProtocol);
  ASSERT_EQ(hello.devices.size(), 2u);
  EXPECT_FALSE(hello.devices[0].index);
  EXPECT_EQ(hello.devices[0].vram_total, UINT64_MAX);
  EXPECT_EQ(hello.devices[1].index, 1);

  EXPECT_TRUE(round_trip(Free{.unload_models = true}).unload_models);
  EXPECT_FALSE(round_trip(Free{.unload_models = true}).free_memory);
  EXPECT_EQ(round_trip(ProgressState{"p", {{"1", "2", "3", std::nullopt, "running", 0.5, 2}}}).nodes[0].value, 0.5);
  EXPECT_EQ(round_trip(Executed{"p", "1", "1", OrderedJson::parse(R"({"z": [1], "a": null})")}).output.dump(),
            R"({"z":[1],"a":null})");
  EXPECT_TRUE(round_trip(Executed{"p", "1", "1", nullptr}).output.is_null());
  EXPECT_EQ(round_trip(Models{{{"vae", "a", "k", 5}}}).files[0].bytes, 5u);
}

TEST(Messages, BytesThatAreNoText) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(round_trip(Preview{.prompt_id = "p", .bytes = bytes}).bytes, bytes);
  EXPECT_EQ(round_trip(Text{"p", "1", "caf\xC3\xA9 \xff"}).text, "caf\xC3\xA9 \xff");
}

TEST(Messages, EveryKindSurvivesEmpty) {
  for (const Message& message : {Message(wire::Run()),
                                 Message(Interrupt()),
                                 Message(Free()),
                                 Message(Shutdown()),
                                 Message(MemoryQuery()),
                                 Message(ListModels()),
                                 Message(Hello()),
                                 Message(Memory()),
                                 Message(Log()),
                                 Message(Models()),
                                 Message(ExecutionStart()),
                                 Message(ExecutionCached()),
                                 Message(Executing()),
                                 Message(Progress()),
                                 Message(ProgressState()),
                                 Message(Executed()),
                                 Message(Preview()),
                                 Message(Text()),
                                 Message(ExecutionSuccess()),
                                 Message(ExecutionError()),
                                 Message(ExecutionInterrupted()),
                                 Message(Finished())})
    EXPECT_EQ(decode(encode(message)).index(), message.index());
}

TEST(Messages, RefusesWhatIsNoMessage) {
  const auto cbor = [](const char* json) {
    std::string bytes;
    OrderedJson::to_cbor(OrderedJson::parse(json), bytes);
    return bytes;
  };
  for (const char* json :
       {"5", "[]", "{}", R"({"type": 5})", R"({"type": "nonsense"})", R"({"type": "interrupt"})",
        R"({"type": "interrupt", "prompt_id": 5})", R"({"type": "free", "unload_models": "x", "free_memory": true})",
        R"({"type": "models", "files": {}})", R"({"type": "models", "files": [5]})"})
    EXPECT_THROW(decode(cbor(json)), Error) << json;
  const std::string good = encode(Interrupt{"p"});
  for (size_t length = 0; length < good.size(); ++length) EXPECT_THROW(decode(good.substr(0, length)), Error) << length;
  EXPECT_THROW(decode(good + good), Error);
  EXPECT_THROW(decode(std::string(1'000'000, '\x81')), Error);          // a million nested lists
  EXPECT_THROW(decode("\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"), Error);  // a list that says it has 2^63 elements
  EXPECT_THROW(decode("\x5b\x7f\xff\xff\xff\xff\xff\xff\xff"), Error);  // bytes, likewise
}

}  // namespace
}  // namespace easel::wire
