#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "formats/dequantise.h"
#include "formats/support.h"

namespace easel {
namespace {

using testing::HasSubstr;

// A file put together field by field.
struct Bytes {
  std::string bytes;

  template <class T>
  Bytes& number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& text(const std::string& text) {
    number(uint64_t{text.size()});
    bytes += text;
    return *this;
  }
  Bytes& head(uint64_t tensors, uint64_t key_values, uint32_t version = 3) {
    bytes += "GGUF";
    return number(version).number(tensors).number(key_values);
  }
  Bytes& tensor(const std::string& name, const std::vector<uint64_t>& extents, uint32_t type, uint64_t offset) {
    text(name).number(static_cast<uint32_t>(extents.size()));
    for (const uint64_t extent : extents) number(extent);
    return number(type).number(offset);
  }
  Bytes& data(size_t size) {
    bytes.resize((bytes.size() + 31) / 32 * 32 + size, 'x');
    return *this;
  }
};

std::string verdict(const std::string& file) {
  try {
    parse_gguf(std::as_bytes(std::span(file)), "a.gguf");
    return "ok";
  } catch (const Error& error) {
    return error.what();
  }
}
std::string one_tensor(const std::vector<uint64_t>& extents, uint32_t type, uint64_t offset, size_t data) {
  return verdict(Bytes().head(1, 0).tensor("t", extents, type, offset).data(data).bytes);
}

constexpr uint32_t kF32 = 0, kQ4_0 = 2, kQ4_K = 12, kU32 = 4, kText = 8, kArray = 9;

TEST(Gguf, ReadsWhatTheReferenceWrote) {
  const TensorFilePtr file = open_tensor_file(sample("quantised.gguf"));
  EXPECT_EQ(file->quantised().size(), 12u);
  EXPECT_EQ(file->tensors().size(), 3u);
  const TensorSpan* plain = file->find("f32");
  ASSERT_NE(plain, nullptr);
  EXPECT_EQ(plain->shape, (std::vector<int64_t>{1, 2, 3}));
  float last;
  std::memcpy(&last, plain->bytes.data() + 20, 4);
  EXPECT_EQ(last, 5.0f / 7);
  EXPECT_EQ(file->find("f16")->dtype, Dtype::F16);
  EXPECT_EQ(file->find("packed.Q4_K"), nullptr);
  const QuantSpan& packed = file->quantised().at("packed.Q4_K");
  EXPECT_EQ(packed.quant, Quant::Q4_K);
  EXPECT_EQ(packed.shape, (std::vector<int64_t>{2, 512}));
  EXPECT_EQ(packed.bytes.size(), 4 * 144u);
  for (const auto& [name, span] : file->quantised()) {
    const QuantBlock block = quant_block(span.quant);
    EXPECT_EQ("packed." + std::string(block.name), name);
    EXPECT_EQ(static_cast<int64_t>(span.bytes.size()), span.elements() / block.elements * block.bytes);
  }
  EXPECT_EQ(file->metadata().at("general.architecture"), "flux");
  const Json& values = file->values();
  EXPECT_EQ(values["a.count"], 7);
  EXPECT_EQ(values["a.half"], 0.5);
  EXPECT_EQ(values["a.yes"], true);
  EXPECT_EQ(values["a.least"], INT64_MIN);
  EXPECT_EQ(values["a.shape"], (Json{2, 512}));
  EXPECT_EQ(values["a.words"], (Json{"fox", "狐"}));
  EXPECT_EQ(describe(*file).dtypes.at("Q8_0"), 2 * 512 / 32 * 34u);
}

// Against the numbers that the gguf package unpacks.
TEST(Gguf, UnpacksWhatTheReferenceUnpacks) {
  const TensorFilePtr file = open_tensor_file(sample("quantised.gguf")),
                      wanted = open_tensor_file(sample("quantised.safetensors"));
  ASSERT_EQ(wanted->tensors().size(), file->quantised().size());
  for (const auto& [name, span] : file->quantised()) {
    SCOPED_TRACE(name);
    std::vector<float> numbers(static_cast<size_t>(span.elements())), expected(numbers.size());
    dequantise(span, numbers);
    const TensorSpan* reference = wanted->find(name);
    ASSERT_TRUE(reference && reference->bytes.size() == expected.size() * 4);
    std::memcpy(expected.data(), reference->bytes.data(), reference->bytes.size());
    float largest = 0, error = 0;
    for (size_t i = 0; i < numbers.size(); ++i) {
      largest = std::max(largest, std::abs(expected[i]));
      error = std::max(error, std::abs(numbers[i] - expected[i]));
    }
    EXPECT_GT(largest, 0.1f);
    EXPECT_LE(error, largest * 1e-6f);
    EXPECT_THROW(dequantise(span, std::span(numbers).first(256)), Error);
  }
}

TEST(Gguf, RefusesEveryTruncation) {
  const std::string whole = read_all(sample("quantised.gguf"));
  ASSERT_EQ(verdict(whole), "ok");
  for (size_t length = 4; length + 32 < whole.size(); length += length < 1000 ? 1 : 61) {
    EXPECT_THAT(verdict(whole.substr(0, length)), HasSubstr("perhaps the download was cut short")) << length;
  }
}

TEST(Gguf, RefusesEveryLie) {
  EXPECT_EQ(verdict(Bytes().head(0, 0).bytes), "ok");
  EXPECT_EQ(verdict(Bytes().head(0, 0, 2).bytes), "ok");
  EXPECT_EQ(one_tensor({4}, kF32, 0, 16), "ok");
  EXPECT_EQ(one_tensor({}, kF32, 0, 4), "ok");
  EXPECT_EQ(one_tensor({0, 3}, kF32, 0, 0), "ok");
  EXPECT_EQ(one_tensor({32, 2}, kQ4_0, 0, 36), "ok");

  EXPECT_THAT(verdict(Bytes().head(0, 0, 1).bytes), HasSubstr("version 1"));
  EXPECT_THAT(verdict(Bytes().head(0, 0, 0x03000000).bytes), HasSubstr("big-endian"));
  EXPECT_THAT(verdict(Bytes().head(1ull << 60, 0).bytes), HasSubstr("claims 1152921504606846976 tensors"));
  EXPECT_THAT(verdict(Bytes().head(0, UINT64_MAX).bytes), HasSubstr("key-values"));
  EXPECT_THAT(verdict(Bytes().head(65'536, 65'536).bytes), HasSubstr("cut short"));

  EXPECT_THAT(one_tensor({5}, kF32, 0, 16), HasSubstr("cut short"));
  EXPECT_THAT(one_tensor({4}, kF32, 32, 16), HasSubstr("cut short"));
  EXPECT_THAT(one_tensor({4}, kF32, UINT64_MAX - 31, 16), HasSubstr("cut short"));
  EXPECT_THAT(one_tensor({4}, kF32, 4, 64), HasSubstr("no multiple of 32"));
  EXPECT_THAT(one_tensor({4}, 99, 0, 16), HasSubstr("type 99"));
  EXPECT_THAT(one_tensor({48}, kQ4_0, 0, 64), HasSubstr("packs by 32"));
  EXPECT_THAT(one_tensor({128, 2}, kQ4_K, 0, 500), HasSubstr("packs by 256"));
  EXPECT_THAT(one_tensor({1, 1, 1, 1, 1}, kF32, 0, 4), HasSubstr("5 dimensions"));
  EXPECT_THAT(verdict(Bytes().head(1, 0).text("t").number(UINT32_MAX).bytes), HasSubstr("dimensions"));
  for (const std::vector<uint64_t>& extents : std::vector<std::vector<uint64_t>>{
           {UINT64_MAX}, {1ull << 32, 1ull << 32}, {0, 1ull << 40, 1ull << 40}, {1ull << 62}, {INT64_MAX}}) {
    EXPECT_THAT(one_tensor(extents, kF32, 0, 16), HasSubstr("overflows"));
  }
  const auto two = [](const std::string& second, uint64_t offset) {
    return verdict(Bytes().head(2, 0).tensor("t", {8}, kF32, 0).tensor(second, {8}, kF32, offset).data(64).bytes);
  };
  EXPECT_EQ(two("u", 32), "ok");
  EXPECT_THAT(two("t", 32), HasSubstr("twice"));
  EXPECT_THAT(two("u", 0), HasSubstr("overlap"));
  EXPECT_THAT(two("\xff", 32), HasSubstr("UTF-8"));
}

TEST(Gguf, RefusesLyingKeyValues) {
  const auto key_value = [](const std::function<void(Bytes&)>& write) {
    Bytes file = Bytes().head(0, 1).text("k");
    write(file);
    return verdict(file.bytes);
  };
  EXPECT_EQ(key_value([](Bytes& b) { b.number(kText).text("v"); }), "ok");
  EXPECT_EQ(key_value([](Bytes& b) { b.number(kText).text("\xff"); }), "ok");
  EXPECT_THAT(key_value([](Bytes& b) { b.number(kText).number(1ull << 63); }), HasSubstr("9223372036854775808 bytes"));
  EXPECT_THAT(key_value([](Bytes& b) { b.number(13u).text("v"); }), HasSubstr("type 13"));
  EXPECT_THAT(key_value([](Bytes& b) { b.number(kArray).number(kArray).number(uint64_t{1}); }),
              HasSubstr("array of type 9"));
  EXPECT_THAT(key_value([](Bytes& b) { b.number(kArray).number(99u).number(uint64_t{0}); }),
              HasSubstr("array of type 99"));
  EXPECT_THAT(key_value([](Bytes& b) { b.number(kArray).number(kU32).number(1ull << 60); }), HasSubstr("items"));
  EXPECT_THAT(key_value([](Bytes& b) { b.number(kArray).number(kText).number(uint64_t{2}).text("").text(""); }), "ok");
  EXPECT_THAT(verdict(Bytes().head(0, 1).text(std::string(5000, 'k')).number(kU32).number(1u).bytes),
              HasSubstr("5000 bytes"));
  EXPECT_THAT(verdict(Bytes().head(0, 2).text("k").number(kU32).number(1u).text("k").number(kU32).number(1u).bytes),
              HasSubstr("twice"));
  for (const uint32_t alignment : {0u, 1u, 4u, 33u, 1u << 31}) {
    EXPECT_THAT(verdict(Bytes().head(0, 1).text("general.alignment").number(kU32).number(alignment).bytes),
                HasSubstr("alignment"));
  }
  EXPECT_THAT(verdict(Bytes().head(0, 1).text("general.alignment").number(kText).text("32").bytes),
              HasSubstr("alignment"));
  EXPECT_EQ(verdict(Bytes().head(0, 1).text("general.alignment").number(kU32).number(64u).bytes), "ok");
}

}  // namespace
}  // namespace easel
