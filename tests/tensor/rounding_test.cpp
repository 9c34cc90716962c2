#include "tensor/rounding.h"

#include "parity/golden.h"

namespace easel {
namespace {

TEST(RoundByChance, RoundsAsRecorded) {
  EASEL_NEEDS_PARITY();
  parity::Golden golden("sd15/adapters", 0);
  int compared = 0;
  for (const auto& test : golden.cases()) {
    const auto& params = test["params"];
    if (!params.contains("key")) continue;
    const auto seed = seed_of(params["key"]);
    if (test["outputs"].contains("seed")) {
      EXPECT_EQ(std::to_string(seed), test["outputs"]["seed"].get<std::string>());
      continue;
    }
    EXPECT_EQ(std::to_string(seed), params["seed"].get<std::string>());
    const auto dtype = params["dtype"] == "float8_e5m2" ? at::kFloat8_e5m2 : at::kFloat8_e4m3fn;
    golden.compare(test, "rounded", round_by_chance(golden.input(test["inputs"]["x"]), dtype, seed).to(at::kFloat));
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

TEST(RoundByChance, IsRightOnAverageAndRefusesOtherDtypes) {
  const auto rounded = round_by_chance(at::full({1 << 16}, 1.03f), at::kFloat8_e4m3fn, 1).to(at::kFloat);
  EXPECT_NEAR(rounded.mean().item<double>(), 1.03, 2e-3);
  EXPECT_ANY_THROW(round_by_chance(at::ones({4}), at::kHalf, 1));
}

}  // namespace
}  // namespace easel
