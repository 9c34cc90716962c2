#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "base/log.h"
#include "formats/support.h"
#include "formats/torch_file.h"

namespace easel {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;

void expect_same(const TensorFile& mine, const TensorFile& wanted) {
  EXPECT_EQ(mine.tensors().size(), wanted.tensors().size());
  for (const auto& [name, span] : wanted.tensors()) {
    const TensorSpan* found = mine.find(name);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_EQ(found->dtype, span.dtype) << name;
    EXPECT_EQ(found->shape, span.shape) << name;
    EXPECT_EQ(bytes_of(*found), bytes_of(span)) << name;
    EXPECT_TRUE(found->is_aligned()) << name;
  }
}

std::string verdict(const std::string& bytes) {
  try {
    parse_torch_file(std::as_bytes(std::span(bytes)), "a.pt");
    return "ok";
  } catch (const Error& error) {
    return error.what();
  }
}

// A torch.save file of before 1.6 around one pickled object and the raw bytes of its storages.
std::string legacy(const std::string& object, const std::string& keys = "]", const std::string& storages = "") {
  return "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}."s + "\x80\x02" +
         object + "." + "\x80\x02" + keys + "." + storages;
}

TEST(Pickle, ReadsEveryContainerAndView) {
  const auto wanted = open_tensor_file(sample("tensors.safetensors"));
  for (const char* name : {"nested.pt", "nested_legacy.pt", "nested_protocol4.pt"}) {
    SCOPED_TRACE(name);
    expect_same(*open_tensor_file(sample(name)), *wanted);
  }
  expect_same(*open_tensor_file(sample("fp8.pt")), *open_tensor_file(sample("fp8.safetensors")));
}

TEST(Pickle, LiftsTheStateDict) {
  const auto wanted = open_tensor_file(sample("module.safetensors"));
  for (const char* name : {"lightning.ckpt", "lightning_legacy.ckpt", "upscaler.pth", "single.pth"}) {
    SCOPED_TRACE(name);
    expect_same(*open_tensor_file(sample(name)), *wanted);
  }
}

TEST(Pickle, KeepsPlainValuesOfEmbeddings) {
  const auto wanted = open_tensor_file(sample("embedding.safetensors"));
  const auto file = open_tensor_file(sample("embedding.pt"));
  expect_same(*file, *wanted);
  EXPECT_EQ(file->values(),
            (Json{{"string_to_token.*", 265}, {"name", "thing"}, {"step", 10}, {"sd_checkpoint", nullptr}}));
  EXPECT_EQ(bytes_of(*open_tensor_file(sample("embedding_old.pt"))->find("string_to_param.*")),
            bytes_of(*wanted->find("string_to_param.*")));
}

TEST(Pickle, RunsNothing) {
  std::filesystem::remove("/tmp/easel-was-fooled");
  for (const char* name : {"evil.ckpt", "evil_legacy.ckpt"}) {
    EXPECT_THAT(verdict(read_all(sample(name))), HasSubstr(": a model file must hold only tensors")) << name;
    EXPECT_THAT(verdict(read_all(sample(name))), HasSubstr("unsupported global 'posix.system'")) << name;
  }
  for (const char* call : {"cos\nsystem\n(S'touch /tmp/easel-was-fooled'\ntR", "(S'x'\nios\nsystem\n",
                           "(cos\nsystem\nS'x'\no", "c__builtin__\neval\n(S'1'\ntR", "cbuiltins\nexec\n(S'1'\ntR",
                           "csubprocess\nPopen\n)\x81", "\x8c\x02os\x8c\x06system\x93)R"}) {
    EXPECT_THAT(verdict(legacy(call)), HasSubstr("unsupported global")) << call;
  }
  EXPECT_THAT(verdict(legacy("cevil\nthing\n(S'1'\ntR")), HasSubstr("unsupported global 'evil.thing'"));
  EXPECT_FALSE(std::filesystem::exists("/tmp/easel-was-fooled"));
}

TEST(Pickle, RefusesObjectsWhereTensorsShouldBe) {
  EXPECT_THAT(verdict(read_all(sample("whole_module.pt"))),
              HasSubstr("unsupported global 'torch.nn.modules.container.Sequential'"));
  EXPECT_THAT(verdict(read_all(sample("opaque_inside.ckpt"))),
              HasSubstr("unsupported global '__main__.Callback' at 'object'"));
}

// ('storage', torch.FloatStorage, '0', 'cpu', elements) rebuilt with offset, shape and strides given as pickle text.
std::string tensor(const std::string& elements, const std::string& offset, const std::string& shape,
                   const std::string& strides) {
  return "}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x01"
         "0U\x03"
         "cpuI" +
         elements + "\ntQI" + offset + "\n" + shape + strides + "I00\n}tRs";
}
std::string file_of(const std::string& elements, const std::string& offset, const std::string& shape,
                    const std::string& strides) {
  return legacy(tensor(elements, offset, shape, strides),
                "]U\x01"
                "0a",
                "\x04\0\0\0\0\0\0\0"s + std::string(16, 'f'));
}

TEST(Pickle, ChecksEveryTensorAgainstItsStorage) {
  EXPECT_EQ(verdict(file_of("4", "0", "(I2\nI2\nt", "(I2\nI1\nt")), "ok");
  EXPECT_EQ(verdict(file_of("4", "3", "(I1\nt", "(I1\nt")), "ok");
  EXPECT_EQ(verdict(file_of("4", "0", "(I2\nI2\nt", "(I1\nI2\nt")), "ok");
  EXPECT_THAT(verdict(file_of("4", "1", "(I2\nI2\nt", "(I2\nI1\nt")), HasSubstr("reaches"));
  EXPECT_THAT(verdict(file_of("4", "0", "(I2\nI2\nt", "(I3\nI1\nt")), HasSubstr("reaches"));
  EXPECT_THAT(verdict(file_of("4", "5", "(I1\nt", "(I1\nt")), HasSubstr("reaches"));
  EXPECT_THAT(verdict(file_of("4", "9223372036854775807", "(I1\nt", "(I1\nt")), HasSubstr("reaches"));
  EXPECT_THAT(verdict(file_of("4", "-1", "(I1\nt", "(I1\nt")), HasSubstr("reaches"));
  EXPECT_THAT(verdict(file_of("4", "0", "(I-1\nt", "(I1\nt")), HasSubstr("negative"));
  EXPECT_THAT(verdict(file_of("4", "0", "(I2\nt", "(I-1\nt")), HasSubstr("negative"));
  EXPECT_THAT(verdict(file_of("4", "0", "(I4294967296\nI4294967296\nt", "(I0\nI0\nt")), HasSubstr("overflows"));
  EXPECT_THAT(verdict(file_of("4", "0", "(I9223372036854775807\nt", "(I0\nt")), HasSubstr("unfold"));
  EXPECT_THAT(verdict(file_of("4", "0", "(I2\nt", "(I9223372036854775807\nt")), HasSubstr("reaches"));
  EXPECT_THAT(verdict(file_of("4", "0", "(I2\nt", "t")), HasSubstr("lacks a mark"));
  EXPECT_THAT(verdict(file_of("4", "0", "(I2\nt", "(t")), HasSubstr("do not match"));
  EXPECT_THAT(verdict(file_of("9223372036854775807", "0", "(I2\nt", "(I1\nt")), HasSubstr("load_pickle"));
  EXPECT_THAT(verdict(file_of("5", "0", "(I2\nt", "(I1\nt")), HasSubstr("promised"));
}

TEST(Pickle, HoldsBombs) {
  EXPECT_NE(verdict(legacy(std::string(1'000'000, ']') + std::string(999'999, 'a'))),
            "ok");  // a list in a list in a list …
  EXPECT_NE(verdict(legacy("]q\x01h\x01"
                           "a")),
            "ok");  // in itself
  std::string laughs = "(K\x01l";
  for (int i = 0; i < 30; ++i) laughs += "q\x01(h\x01h\x01h\x01h\x01l";
  EXPECT_NE(verdict(legacy(laughs)), "ok");
  EXPECT_NE(verdict(legacy(std::string(70'000'000, 'N'))), "ok");
  EXPECT_THAT(verdict(legacy(std::string(20'000'000, '('))), HasSubstr("too many"));
  EXPECT_THAT(verdict(legacy("N" + std::string(20'000'000, '2'))), HasSubstr("too many"));
  std::string memo = "N";
  for (uint32_t i = 0; i < 5'000'000; ++i) memo += "r" + std::string(reinterpret_cast<const char*>(&i), 4);
  EXPECT_THAT(verdict(legacy(memo)), HasSubstr("too many"));
  for (const char* broken : {"",
                             "0",
                             "1",
                             "a",
                             "u",
                             "t",
                             "R",
                             "b",
                             "h\x05",
                             "j\xff\xff\xff\xff",
                             "X\xff\xff\xff\xff",
                             "\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
                             "K",
                             "(1(0",
                             "cx",
                             "Q",
                             "NQ",
                             "\x93",
                             "NN\x93",
                             "}(K\x01u",
                             "NK\x01"
                             "a",
                             "Pxyz\n",
                             "\x82\x01",
                             "\xff",
                             "Fabc\n",
                             "S'x\n",
                             "(o",
                             "(NNo",
                             "NNR",
                             "N)R"}) {
    EXPECT_NE(verdict(legacy(broken)), "ok") << broken;
  }
}

TEST(Pickle, RefusesEveryTruncation) {
  for (const char* name : {"embedding.pt", "nested_legacy.pt"}) {
    const std::string whole = read_all(sample(name));
    ASSERT_EQ(verdict(whole), "ok");
    for (size_t length = 0; length < whole.size(); length += 7)
      EXPECT_NE(verdict(whole.substr(0, length)), "ok") << name << length;
  }
}

TEST(Pickle, NoticesDamageByChecksum) {
  std::string bytes = read_all(sample("embedding.pt"));
  const std::string row("\x00\x00\x80\x3f\x00\x00\x00\x40", 8);  // 1.0f, 2.0f
  const size_t at = bytes.find(row);
  ASSERT_NE(at, bytes.npos);
  bytes[at] = 1;
  EXPECT_THAT(verdict(bytes), HasSubstr("damaged"));
}

TEST(Pickle, SurvivesMutations) {
  std::mt19937 random(2);
  spdlog::set_level(spdlog::level::err);
  for (const char* name : {"nested.pt", "nested_legacy.pt", "lightning_legacy.ckpt"}) {
    const std::string whole = read_all(sample(name));
    size_t refused = 0;
    for (int round = 0; round < 3'000; ++round) {
      std::string bytes = whole;
      for (int edit = random() % 4; edit >= 0; --edit) bytes[random() % bytes.size()] = static_cast<char>(random());
      refused += verdict(bytes) != "ok";
    }
    EXPECT_GT(refused, 100u) << name;
  }
  spdlog::set_level(spdlog::level::info);
}

}  // namespace
}  // namespace easel
