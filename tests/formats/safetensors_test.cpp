#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/error.h"
#include "formats/safetensors_header.h"
#include "formats/support.h"

namespace easel {
namespace {

using testing::HasSubstr;

std::string verdict(const std::string& file) {
  try {
    parse_safetensors(std::as_bytes(std::span(file)), "a.safetensors");
    return "ok";
  } catch (const Error& error) {
    return error.what();
  }
}
std::string verdict(const std::string& header, const std::string& data) {
  return verdict(safetensors_bytes(header, data));
}

const std::string kTwo =
    R"({"__metadata__":{"k":"v"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
    R"("a":{"dtype":"F16","shape":[1,2],"data_offsets":[8,12]},"e":{"dtype":"I64","shape":[0,3],"data_offsets":[8,8]}})";

TEST(Safetensors, ReadsWhatTheReferenceWrote) {
  const TensorFilePtr file = open_tensor_file(sample("tensors.safetensors"));
  EXPECT_EQ(file->tensors().size(), 17u);
  EXPECT_EQ(file->metadata(), (Metadata{{"format", "pt"}}));
  const TensorSpan* half = file->find("of.float16");
  ASSERT_NE(half, nullptr);
  EXPECT_EQ(half->dtype, Dtype::F16);
  EXPECT_EQ(half->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(bytes_of(*half), std::string("\x00\xc0\x00\xbc\x00\x00\x00\x3c\x00\x40\x00\x42", 12));
  EXPECT_TRUE(file->find("scalar")->shape.empty());
  EXPECT_EQ(file->find("absent"), nullptr);
  EXPECT_EQ(open_tensor_file(sample("fp8.safetensors"))->find("e4m3")->dtype, Dtype::F8_E4M3);
  const TensorFileSummary summary = describe(*file);
  EXPECT_EQ(summary.tensors, 17u);
  EXPECT_EQ(summary.dtypes.at("F16"), 12u);
}

TEST(Safetensors, WritesWhatItReads) {
  const TensorFilePtr file = open_tensor_file(sample("tensors.safetensors"));
  const std::vector<std::pair<std::string, TensorSpan>> tensors(file->tensors().begin(), file->tensors().end());
  std::string bytes;
  const ByteSink sink = [&](std::span<const std::byte> part) {
    bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
  };
  save_safetensors(sink, tensors, {{"prompt", "{\"a\": \"ü\"}"}});
  EXPECT_EQ(bytes.size(), safetensors_size(tensors, {{"prompt", "{\"a\": \"ü\"}"}}));
  const Scratch scratch;
  const TensorFilePtr again = open_tensor_file(scratch.write("again.safetensors", bytes));
  EXPECT_EQ(again->metadata().at("prompt"), "{\"a\": \"ü\"}");
  ASSERT_EQ(again->tensors().size(), tensors.size());
  for (const auto& [name, span] : tensors) {
    const TensorSpan* copy = again->find(name);
    ASSERT_NE(copy, nullptr) << name;
    EXPECT_EQ(copy->dtype, span.dtype);
    EXPECT_EQ(copy->shape, span.shape);
    EXPECT_EQ(bytes_of(*copy), bytes_of(span));
    EXPECT_TRUE(copy->is_aligned());
  }
  EXPECT_THROW(save_safetensors(sink, {{"x", {Dtype::F32, {3}, {}}}}), Error);
  EXPECT_THROW(save_safetensors(sink, {{"x", {Dtype::F32, {0}, {}}}, {"x", {Dtype::F32, {0}, {}}}}), Error);
  EXPECT_THROW(save_safetensors(sink, {{"\xff", {Dtype::F32, {0}, {}}}}), Error);
}

TEST(Safetensors, RefusesEveryTruncation) {
  const std::string whole = safetensors_bytes(kTwo, std::string(12, 'x'));
  EXPECT_EQ(verdict(whole), "ok");
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(verdict(whole.substr(0, length)), HasSubstr("perhaps the download was cut short")) << length;
  }
  EXPECT_EQ(verdict(whole.substr(0, whole.size() - 3)),
            fmt::format("load_safetensors: 'a.safetensors' ends at byte {} of {} promised by its header; perhaps the "
                        "download was cut short",
                        whole.size() - 3, whole.size()));
  EXPECT_THAT(verdict(whole + "x"), HasSubstr("1 bytes after"));
}

TEST(Safetensors, RefusesEveryLie) {
  const auto one = [](const std::string& tensor, const std::string& data = "12345678") {
    return verdict("{\"t\":" + tensor + "}", data);
  };
  EXPECT_EQ(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})"), "ok");
  EXPECT_EQ(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":{"a":[1,{"b":null}]}})"), "ok");
  EXPECT_EQ(one(R"({"dtype":"F32","shape":[],"data_offsets":[0,4]})", "1234"), "ok");
  EXPECT_EQ(verdict("{}", ""), "ok");
  EXPECT_EQ(verdict("{}   ", ""), "ok");
  EXPECT_EQ(verdict(R"({"__metadata__":null})", ""), "ok");

  for (const char* tensor : {
           R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":[2],"data_offsets":[1,9]})",
           R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})",
           R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":[2e0],"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":["2"],"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":[[2]],"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8]})",
           R"({"dtype":"F33","shape":[2],"data_offsets":[0,8]})",
           R"({"dtype":"f32","shape":[2],"data_offsets":[0,8]})",
           R"({"dtype":32,"shape":[2],"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":[2],"data_offsets":[0]})",
           R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,8]})",
           R"({"dtype":"F32","shape":[2]})",
           R"({"shape":[2],"data_offsets":[0,8]})",
           R"({"dtype":"F32","data_offsets":[0,8]})",
           R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]})",
           R"([])",
           R"(null)",
           R"(1)",
           R"("t")",
           R"({)",
       }) {
    EXPECT_NE(one(tensor), "ok") << tensor;
  }
  const std::string t = R"({"dtype":"U8","shape":[4],"data_offsets":[0,4]})",
                    u = R"({"dtype":"U8","shape":[4],"data_offsets":[4,8]})";
  EXPECT_EQ(verdict("{\"t\":" + t + ",\"u\":" + u + "}", "12345678"), "ok");
  EXPECT_THAT(verdict("{\"t\":" + t + ",\"t\":" + u + "}", "12345678"), HasSubstr("twice"));
  EXPECT_THAT(verdict("{\"t\":" + t + ",\"u\":" + t + "}", "1234"), HasSubstr("hole or an overlap"));
  EXPECT_NE(verdict("{\"u\":" + u + "}", "12345678"), "ok");
  for (const char* header :
       {"", "[]", "null", "1", "{", "{}x", "\xef\xbb\xbf{}", "{\"__metadata__\":{\"a\":1}}",
        "{\"__metadata__\":{\"a\":{}}}", "{\"__metadata__\":[]}", "{\"__metadata__\":1}",
        "{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", "{\"__metadata__\":{},\"__metadata__\":{}}",
        "{\"__metadata__\":{\"\xff\":\"x\"}}", "{\"a\":NaN}"}) {
    EXPECT_NE(verdict(header, ""), "ok") << header;
  }
  EXPECT_THAT(verdict(std::string("{} \0", 4), ""), HasSubstr("NUL"));
  std::string bomb = R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":)" + std::string(100'000, '[');
  EXPECT_THAT(verdict(bomb, ""), HasSubstr("too deep"));
}

// Files with the reference's verdicts, by make_verdicts.py. EASEL_SAFETENSORS_VERDICTS names a longer list of them.
TEST(Safetensors, JudgesAsTheReference) {
  const char* longer = std::getenv("EASEL_SAFETENSORS_VERDICTS");
  const std::string cases = read_all(longer ? std::filesystem::path(longer) : sample("../safetensors_verdicts.bin"));
  size_t count = 0, accepted = 0;
  for (size_t at = 0; at + 5 <= cases.size(); ++count) {
    uint32_t length;
    std::memcpy(&length, cases.data() + at + 1, 4);
    const bool wanted = cases[at] == 1;
    const std::string file = cases.substr(at + 5, length);
    EXPECT_EQ(verdict(file) == "ok", wanted)
        << testing::PrintToString(file.substr(std::min<size_t>(8, file.size()))) << "\n"
        << verdict(file);
    accepted += wanted;
    at += 5 + length;
  }
  EXPECT_GE(count, 2000u);
  EXPECT_GE(accepted, 900u);
}

TEST(Safetensors, TrustsNoLength) {
  for (const uint64_t length :
       {uint64_t{100'000'001}, uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 7, uint64_t{99'999'999}}) {
    EXPECT_NE(verdict(std::string(reinterpret_cast<const char*>(&length), 8) + "{}"), "ok");
  }
}

TEST(Safetensors, SurvivesMutations) {
  std::mt19937 random(1);
  const std::string whole = safetensors_bytes(kTwo, std::string(12, 'x'));
  size_t accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = whole;
    for (int edit = random() % 3; edit >= 0; --edit) {
      const size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 4);
          break;
        default:
          bytes.insert(at, 1, "{}[]\",:0-1e"[random() % 11]);
      }
      if (bytes.empty()) bytes = "x";
    }
    accepted += verdict(bytes) == "ok";
  }
  EXPECT_LT(accepted, 10'000u);  // metadata and tensor bytes may change freely
}

TEST(Safetensors, GivesMetadataAlone) {
  EXPECT_EQ(safetensors_metadata(sample("tensors.safetensors")), (Json{{"format", "pt"}}));
  EXPECT_FALSE(safetensors_metadata(sample("fp8.safetensors")));
  EXPECT_FALSE(safetensors_metadata(sample("nested.pt")));
  EXPECT_FALSE(safetensors_metadata(sample("absent")));
}

TEST(OpenTensorFile, SaysWhatElseAFileIs) {
  const Scratch scratch;
  const auto reason = [&](const std::string& name, const std::string& content) {
    try {
      open_tensor_file(scratch.write(name, content));
      return std::string("opened");
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_THAT(reason("a.safetensors", "version https://git-lfs.github.com/spec/v1\n"), HasSubstr("Git LFS"));
  EXPECT_THAT(reason("b.ckpt", "<!doctype html>"), HasSubstr("web page"));
  EXPECT_THAT(reason("c.safetensors", "GGUF...."), HasSubstr("load_gguf"));
  EXPECT_THAT(reason("d.safetensors", ""), HasSubstr("cut short"));
  EXPECT_THAT(reason("e.bin", "garbage garbage garbage"), HasSubstr("neither"));
  EXPECT_THAT(reason("f.pt", "PK\x03\x04"), HasSubstr("zip"));
  EXPECT_THROW(open_tensor_file(scratch.path()), Error);
  EXPECT_THROW(open_tensor_file("/dev/zero"), Error);
}

}  // namespace
}  // namespace easel
