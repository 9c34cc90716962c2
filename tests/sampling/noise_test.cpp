#include "sampling/noise.h"

#include "sampling/toy.h"

namespace easel {
namespace {

Tensor draw(const std::string& op, const std::string& dtype, int64_t n, at::Generator& generator) {
  if (op == "rand") return at::rand({n}, generator);
  if (op == "randperm") return at::randperm(n, generator);
  if (op == "randint 0..999") return at::randint(1000, {n}, generator);
  const auto type = dtype == "float16"    ? at::kHalf
                    : dtype == "bfloat16" ? at::kBFloat16
                    : dtype == "float64"  ? at::kDouble
                                          : at::kFloat;
  return at::randn({n}, generator, type);
}

TEST(Noise, ParityOfGenerator) {
  EASEL_NEEDS_PARITY();
  parity::Golden golden("sampling/noise");
  for (const auto& test : golden.cases()) {
    const auto& p = test["params"];
    const auto& outputs = test["outputs"];
    const auto name = test["case"].get<std::string>();
    const auto op = p["op"].get<std::string>();
    if (op == "prepare_noise") {
      std::optional<std::vector<int64_t>> index;
      if (!p["batch_index"].is_null()) index = p["batch_index"].get<std::vector<int64_t>>();
      golden.compare(test, "noise",
                     prepare_noise(at::zeros(p["shape"].get<std::vector<int64_t>>()), seed_of(p["seed"]), index));
      continue;
    }
    auto generator = cpu_generator(seed_of(p["seed"]));
    if (outputs.contains("a")) {  // four draws in turn from one generator
      for (const char* key : {"a", "b", "c", "d"}) {
        const auto expected = tensor_of(outputs[key]);
        golden.compare(name + "/" + key, draw("randn", "", expected.numel(), generator), expected);
      }
      continue;
    }
    for (const char* key : {"first", "second"}) {
      if (!outputs.contains(key)) continue;
      const auto expected = outputs[key].is_array() ? tensor_of(outputs[key]) : golden.input(outputs[key]);
      golden.compare(name + "/" + key, draw(op, p.value("dtype", ""), expected.numel(), generator), expected);
    }
  }
}

TEST(Noise, ParityOfBrownianTree) {
  EASEL_NEEDS_PARITY();
  parity::Golden golden("sampling/brownian");
  for (const auto& test : golden.cases()) {
    const auto& p = test["params"];
    const auto noise = brownian_noise(at::zeros(p["shape"].get<std::vector<int64_t>>()), p["sigma_min"], p["sigma_max"],
                                      seed_of(p["seed"]));
    for (size_t i = 0; i < p["pairs"].size(); ++i) {
      golden.compare(test, "n" + std::to_string(i), noise(p["pairs"][i][0], p["pairs"][i][1]));
    }
  }
}

TEST(Noise, OnlyTheLow32BitsOfASeedCount) {
  const auto latent = at::zeros({1, 4, 2, 2});
  EXPECT_TRUE(prepare_noise(latent, 0).equal(prepare_noise(latent, uint64_t{1} << 32)));
  EXPECT_TRUE(prepare_noise(latent, UINT64_MAX).equal(prepare_noise(latent, UINT32_MAX)));
  EXPECT_FALSE(prepare_noise(latent, 0).equal(prepare_noise(latent, 1)));
}

TEST(Noise, BatchIndexPicksImagesOfALongerBatch) {
  const auto latent = at::zeros({2, 4, 2, 2});
  const auto picked = prepare_noise(latent, 7, std::vector<int64_t>{3, 1});
  const auto all = prepare_noise(at::zeros({4, 4, 2, 2}), 7, std::vector<int64_t>{0, 1, 2, 3});
  EXPECT_TRUE(picked[0].equal(all[3]));
  EXPECT_TRUE(picked[1].equal(all[1]));
  EXPECT_THROW(prepare_noise(latent, 7, std::vector<int64_t>{-1}), Error);
  EXPECT_THROW(prepare_noise(latent, 7, std::vector<int64_t>{int64_t{1} << 40}), Error);
}

// numpy.random.SeedSequence(0).generate_state(3) and friends
TEST(Noise, SeedSequenceIsNumpys) {
  EXPECT_EQ(seed_sequence(0, {}, 4, 3), (std::vector<uint32_t>{2968811710u, 3677149159u, 745650761u}));
}

// Recorded increments, normalised, over [0.029, 14.6] with seed 42.
TEST(Noise, BrownianIncrementsAsRecorded) {
  const std::vector<std::pair<float, float>> pairs{
      {14.614643096923828f, 6.082151412963867f}, {14.614643096923828f, 2.232154369354248f}, {0.5f, 0.4999f}};
  const std::vector<std::vector<float>> expected{
      {-0.60995305f, 1.160359f, -1.0546279f, 0.0071206097f, -0.97626376f, 0.12446622f},
      {-0.17862897f, 0.9442541f, -0.68081611f, 0.2647284f, -0.50814217f, 0.082814999f},
      {-0.032106604f, -0.11048029f, -0.12164079f, 0.63490325f, 1.2670366f, -1.3300414f},
  };
  const auto noise = brownian_noise(at::zeros({1, 1, 2, 3}), 0.0291671771556139f, 14.614643096923828f, 42);
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto mine = noise(pairs[i].first, pairs[i].second).flatten();
    EXPECT_TRUE(at::allclose(mine, at::tensor(expected[i]), 1e-4, 1e-4)) << mine;
  }
}

TEST(Noise, BrownianPathDoesNotDependOnTheQueries) {
  const BrownianTree tree(0.03, 14.6, {3}, 42);
  const auto whole = tree(0.5, 9.0);
  EXPECT_TRUE(at::allclose(tree(0.5, 2.25) + tree(2.25, 9.0), whole, 1e-5, 1e-5));
  EXPECT_TRUE(tree(0.5, 9.0).equal(whole));
  EXPECT_TRUE(tree(3.0, 3.0).equal(at::zeros({3})));
  EXPECT_TRUE(tree(3.0, 3.0 + 1e-8).equal(at::zeros({3})));  // the same time after rounding to 6 decimals
  EXPECT_TRUE(tree(-5.0, 100.0).equal(tree(0.03, 14.6)));
  EXPECT_THROW(BrownianTree(2.0, 1.0, {3}, 0), Error);
  EXPECT_THROW(BrownianTree(0.0, std::numeric_limits<double>::infinity(), {3}, 0), Error);
}

}  // namespace
}  // namespace easel
