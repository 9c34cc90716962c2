#include "tensor/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace easel {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Weights sample() {
  return Weights({{"blocks.0.weight", at::arange(6, at::kHalf).view({2, 3})},
                  {"blocks.0.bias", at::ones({2})},
                  {"blocks.1.weight", at::ones({2, 2}, at::kHalf)},
                  {"out.weight", at::ones({1})}},
                 "sample.safetensors");
}

TEST(Weights, WalkAsAPathDoes) {
  const auto w = sample();
  EXPECT_EQ((w / "blocks").count(), 2);
  EXPECT_EQ((w / "blocks" / 0)["weight"].name(), "blocks.0.weight");
  EXPECT_EQ((w / "blocks" / 0)["weight"].size(-1), 3);
  EXPECT_TRUE((w / "blocks").any("1"));
  EXPECT_FALSE((w / "block").any());
  EXPECT_FALSE((w / "blocks" / 1).find("bias"));
  EXPECT_THAT((w / "blocks").names(), ElementsAre("0.bias", "0.weight", "1.weight"));
}

TEST(Weights, TellWhatNobodyTook) {
  const auto w = sample();
  (w / "blocks" / 0)["weight"];
  (w / "blocks" / 0).find("bias");
  (w / "blocks" / 0).has("nothing");
  EXPECT_THAT(w.unused(), ElementsAre("blocks.1.weight", "out.weight"));
  EXPECT_THAT(w.patched({}).unused(), testing::SizeIs(4));
}

TEST(Weights, NameWhatIsMissingAndItsNeighbours) {
  try {
    (sample() / "blocks" / 1)["bias"];
    FAIL() << "a missing weight was found";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'sample.safetensors' has no weight 'blocks.1.bias'"));
    EXPECT_THAT(error.what(), HasSubstr("'blocks.0.bias'"));
  }
}

TEST(Weights, AreSharedByAllWhoTakeThem) {
  const auto w = sample();
  const auto x = at::zeros({1}, at::kFloat);
  const auto first = w["blocks.0.weight"].like(x);
  EXPECT_EQ(first.scalar_type(), at::kFloat);
  EXPECT_TRUE(first.is_alias_of(w["blocks.0.weight"].like(x)));
  EXPECT_TRUE(
      first.is_alias_of(w.patched({{"out.weight", {[](const Tensor& t) { return t; }}}})["blocks.0.weight"].like(x)));
  w.release();
  EXPECT_FALSE(first.is_alias_of(w["blocks.0.weight"].like(x)));
}

TEST(Weights, KeepNoCopyWhereTheDtypeFits) {
  const auto stored = at::ones({4}, at::kHalf);
  const Weights w({{"a", stored}}, "test");
  EXPECT_TRUE(w["a"].as(at::kHalf).is_alias_of(stored));
}

// A reader may copy what a file holds; giving such pages back would lose them.
TEST(Weights, MemoryThatIsNoMappedFileIsKept) {
  auto memory = std::make_shared<std::vector<float>>(1 << 16, 3.0f);
  TensorFile::Content content{.path = "/proc/self/exe", .memory = {memory}};
  content.tensors["a"] = {
      .dtype = Dtype::F32, .shape = {1 << 16}, .bytes = std::as_bytes(std::span<const float>(*memory))};
  const Weights w(std::make_shared<const TensorFile>(std::move(content)), "");
  for (auto dtype : {at::kHalf, at::kBFloat16}) {
    EXPECT_TRUE(w["a"].as(dtype).eq(3).all().item<bool>());
    w.release();
  }
  EXPECT_EQ((*memory)[4096], 3.0f);
}

TEST(Weights, PatchesApplyInOrderInFloat32) {
  const auto w = sample();
  const auto patched = w.patched({{"blocks.0.weight",
                                   {[](const Tensor& t) {
                                      EXPECT_EQ(t.scalar_type(), at::kFloat);
                                      return t + 1;
                                    },
                                    [](const Tensor& t) { return t * 2; }}}});
  EXPECT_TRUE(patched["blocks.0.weight"].once(at::kFloat).equal((at::arange(6, at::kFloat).view({2, 3}) + 1) * 2));
  EXPECT_TRUE(w["blocks.0.weight"].once(at::kFloat).equal(at::arange(6, at::kFloat).view({2, 3})));
}

TEST(Weights, PackOncePerKindAndDtype) {
  const auto w = sample();
  int made = 0;
  auto pack = [&](const Tensor& t) {
    ++made;
    return t.sum().item<double>();
  };
  const auto x = at::zeros({1});
  EXPECT_EQ(w["blocks.0.weight"].packed<double>(x, pack), 15);
  EXPECT_EQ(w["blocks.0.weight"].packed<double>(x, pack), 15);
  EXPECT_EQ(made, 1);
  w["blocks.0.weight"].packed<double>(x.to(at::kBFloat16), pack);
  EXPECT_EQ(made, 2);
}

}  // namespace
}  // namespace easel
