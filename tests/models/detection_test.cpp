#include "models/architecture.h"
#include "models/diffusion/unet_shape.h"
#include "parity/golden.h"

namespace easel {
namespace {

// The recorded name of our kinds.
std::string comfy_class(const std::string& id) {
  const std::map<std::string, std::string> names{{"sd15", "SD15"}, {"sd15_inpaint", "SD15"}};
  auto found = names.find(id);
  return found == names.end() ? id : found->second;
}

TEST(Detection, FindsSd1AsComfyDoes) {
  EASEL_NEEDS_PARITY();
  const parity::Golden golden("detection/models");
  int compared = 0;
  for (const auto& test : golden.cases()) {
    const auto& out = test["outputs"];
    if (out["config"] != "SD15" || test["params"]["spec"].is_null()) continue;
    const std::string prefix = test["params"]["prefix"];
    std::map<std::string, Tensor> tensors;
    const auto spec =
        parity::read_json(*parity::folder() / "specs" / (test["params"]["spec"].get<std::string>() + ".json"));
    for (const auto& [name, entry] : spec.items()) {
      if (name.rfind(prefix, 0) == 0)
        tensors[name.substr(prefix.size())] = at::zeros({}).expand(parity::shape_of(entry));
    }
    const Weights weights(tensors, "spec");
    const auto* found = find_architecture(weights);
    ASSERT_TRUE(found) << test["case"];
    EXPECT_EQ(comfy_class(found->id), out["config"].get<std::string>());
    ASSERT_TRUE(found->latent);
    EXPECT_EQ(found->latent->name, out["latent_format"].get<std::string>());

    const auto shape = unet_shape(weights);
    const auto& config = out["unet_config"];
    EXPECT_EQ(shape.in_channels, config["in_channels"].get<int64_t>());
    EXPECT_EQ(shape.out_channels, config["out_channels"].get<int64_t>());
    EXPECT_EQ(shape.model_channels, config["model_channels"].get<int64_t>());
    EXPECT_EQ(shape.context_width, config["context_dim"].get<int64_t>());
    EXPECT_EQ(shape.num_res_blocks, config["num_res_blocks"].get<std::vector<int64_t>>());
    EXPECT_EQ(shape.channel_mult, config["channel_mult"].get<std::vector<int64_t>>());
    EXPECT_EQ(shape.depth_in, config["transformer_depth"].get<std::vector<int64_t>>());
    auto out_depth = config["transformer_depth_output"].get<std::vector<int64_t>>();
    EXPECT_EQ(shape.depth_out, std::vector<int64_t>(out_depth.rbegin(), out_depth.rend()));
    EXPECT_EQ(shape.depth_middle, config["transformer_depth_middle"].get<int64_t>());
    EXPECT_EQ(shape.linear_projections, config["use_linear_in_transformer"].get<bool>());
    ++compared;
  }
  EXPECT_GE(compared, 1);
}

TEST(Detection, KnowsTheOthersByName) {
  EASEL_NEEDS_PARITY();
  const parity::Golden golden("detection/models");
  const std::map<std::string, std::string> kinds{{"SDXL", "sdxl"},     {"SDXLRefiner", "sdxl"}, {"Flux", "flux"},
                                                 {"WAN21_T2V", "wan"}, {"WAN21_I2V", "wan"},    {"SD3", "sd3"}};
  for (const auto& test : golden.cases()) {
    const auto wanted = kinds.find(test["outputs"]["config"].get<std::string>());
    if (wanted == kinds.end()) continue;
    const auto& params = test["params"];
    const auto path = params["spec"].is_null()
                          ? *parity::folder() / "detection" / params["shapes"].get<std::string>()
                          : *parity::folder() / "specs" / (params["spec"].get<std::string>() + ".json");
    std::map<std::string, Tensor> tensors;
    const std::string prefix = params["prefix"];
    const auto named = parity::read_json(path);
    for (const auto& [name, entry] : named.items()) {
      const auto shape = (entry.is_array() ? entry : entry.at("shape")).get<std::vector<int64_t>>();
      if (name.rfind(prefix, 0) == 0) tensors[name.substr(prefix.size())] = at::zeros({}).expand(shape);
    }
    const auto* found = find_architecture(Weights(tensors, "spec"));
    ASSERT_TRUE(found) << test["case"];
    EXPECT_EQ(found->id, wanted->second) << test["case"];
  }
}

}  // namespace
}  // namespace easel
