#include "models/architecture.h"
#include "models/diffusion/unet_shape.h"
#include "parity/golden.h"

namespace easel {
namespace {

// The recorded class of our kinds.
std::string comfy_class(const std::string& id) {
  const std::map<std::string, std::string> names{
      {"sd15", "SD15"}, {"sd15_inpaint", "SD15"}, {"sdxl", "SDXL"}, {"sdxl_refiner", "SDXLRefiner"}, {"sd3", "SD3"}};
  auto found = names.find(id);
  return found == names.end() ? id : found->second;
}

// The weights of a case by name and shape, no values behind them.
Weights shapes_of(const Json& params) {
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
  return Weights(tensors, "spec");
}

TEST(Detection, FindsUnetsAsComfyDoes) {
  EASEL_NEEDS_PARITY();
  const parity::Golden golden("detection/models");
  int compared = 0;
  for (const auto& test : golden.cases()) {
    const auto& out = test["outputs"];
    const auto& config = out["unet_config"];
    if (!config.contains("transformer_depth_middle")) continue;
    const auto weights = shapes_of(test["params"]);
    const auto* found = find_architecture(weights, {});
    ASSERT_TRUE(found) << test["case"];
    EXPECT_EQ(comfy_class(found->id), out["config"].get<std::string>());
    ASSERT_TRUE(found->latent);
    EXPECT_EQ(found->latent->name, out["latent_format"].get<std::string>());
    EXPECT_EQ(found->sampling(weights, {}).prediction() == Prediction::eps, out["model_type"] == "EPS");

    const auto shape = unet_shape(weights);
    EXPECT_EQ(shape.in_channels, config["in_channels"].get<int64_t>());
    EXPECT_EQ(shape.out_channels, config["out_channels"].get<int64_t>());
    EXPECT_EQ(shape.model_channels, config["model_channels"].get<int64_t>());
    EXPECT_EQ(shape.context_width, config["context_dim"].get<int64_t>());
    EXPECT_EQ(shape.vector_width, config["adm_in_channels"].is_null() ? 0 : config["adm_in_channels"].get<int64_t>());
    EXPECT_EQ(shape.num_res_blocks, config["num_res_blocks"].get<std::vector<int64_t>>());
    EXPECT_EQ(shape.channel_mult, config["channel_mult"].get<std::vector<int64_t>>());
    EXPECT_EQ(shape.depth_in, config["transformer_depth"].get<std::vector<int64_t>>());
    auto out_depth = config["transformer_depth_output"].get<std::vector<int64_t>>();
    EXPECT_EQ(shape.depth_out, std::vector<int64_t>(out_depth.rbegin(), out_depth.rend()));
    EXPECT_EQ(shape.depth_middle, config["transformer_depth_middle"].get<int64_t>());
    EXPECT_EQ(shape.linear_projections, config["use_linear_in_transformer"].get<bool>());
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

TEST(Detection, KnowsTheOthersByName) {
  EASEL_NEEDS_PARITY();
  const parity::Golden golden("detection/models");
  const std::map<std::string, std::string> kinds{
      {"Flux", "flux"}, {"WAN21_T2V", "wan"}, {"WAN21_I2V", "wan"}, {"SD3", "sd3"}};
  for (const auto& test : golden.cases()) {
    const auto wanted = kinds.find(test["outputs"]["config"].get<std::string>());
    if (wanted == kinds.end()) continue;
    const auto* found = find_architecture(shapes_of(test["params"]), {});
    ASSERT_TRUE(found) << test["case"];
    EXPECT_EQ(found->id, wanted->second) << test["case"];
  }
}

// A U-Net by names and shapes: one residual block a level, transformers of `depths`, and a middle if there is one.
Weights unet_like(const std::vector<int64_t>& depths, int64_t channels, int64_t context, int64_t vector,
                  bool middle = true, bool convolutions = false) {
  std::map<std::string, Tensor> tensors;
  auto add = [&](const std::string& name, std::vector<int64_t> shape) { tensors[name] = at::zeros({}).expand(shape); };
  auto attention = [&](const std::string& name, int64_t depth) {
    if (depth == 0) return;
    add(name + ".proj_in.weight", convolutions ? std::vector<int64_t>{64, 64, 1, 1} : std::vector<int64_t>{64, 64});
    for (int64_t i = 0; i < depth; ++i) {
      add(name + ".transformer_blocks." + std::to_string(i) + ".attn2.to_k.weight", {64, context});
    }
  };
  add("time_embed.0.weight", {1280, 320});
  add("input_blocks.0.0.weight", {320, channels, 3, 3});
  int64_t n = 1;
  for (size_t level = 0; level < depths.size(); ++level) {
    add("input_blocks." + std::to_string(n) + ".0.out_layers.3.weight", {320, 320, 3, 3});
    attention("input_blocks." + std::to_string(n++) + ".1", depths[level]);
    add("output_blocks." + std::to_string(level) + ".0.out_layers.3.weight", {320, 320, 3, 3});
    if (level + 1 < depths.size()) add("input_blocks." + std::to_string(n++) + ".0.op.weight", {320, 320, 3, 3});
  }
  add("middle_block.0.out_layers.3.weight", {320, 320, 3, 3});
  if (middle) attention("middle_block.1", 1);
  if (vector) add("label_emb.0.0.weight", {1280, vector});
  add("out.2.weight", {4, 320, 3, 3});
  return Weights(tensors, "made up");
}

TEST(Detection, TellsTheFamilyApart) {
  auto id = [](const Weights& w) { return find_architecture(w, {})->id; };
  EXPECT_EQ(id(unet_like({1, 1}, 4, 768, 0, true, true)), "sd15");
  EXPECT_EQ(id(unet_like({1, 1}, 9, 768, 0, true, true)), "sd15_inpaint");
  EXPECT_EQ(id(unet_like({1, 1}, 8, 768, 0, true, true)), "sd15_instructpix2pix");
  EXPECT_EQ(id(unet_like({1, 1}, 4, 1024, 0)), "sd2");
  EXPECT_EQ(id(unet_like({1, 1}, 9, 1024, 0)), "sd2_inpaint");
  EXPECT_EQ(id(unet_like({1, 1}, 5, 1024, 0)), "sd2_depth");
  EXPECT_EQ(id(unet_like({1, 1}, 4, 1024, 1536)), "sd21_unclip_l");
  EXPECT_EQ(id(unet_like({1, 1}, 4, 1024, 2048)), "sd21_unclip_h");
  EXPECT_EQ(id(unet_like({0, 2, 10}, 4, 2048, 2816)), "sdxl");
  EXPECT_EQ(id(unet_like({0, 2, 10}, 9, 2048, 2816)), "sdxl_inpaint");
  EXPECT_EQ(id(unet_like({0, 2, 10}, 8, 2048, 2816)), "sdxl_instructpix2pix");
  EXPECT_EQ(id(unet_like({0, 2, 5}, 4, 2048, 2816, false)), "koala_700m");
  EXPECT_EQ(id(unet_like({0, 2, 6}, 4, 2048, 2816)), "koala_1b");
  EXPECT_EQ(id(unet_like({0, 0, 2, 2, 4, 4}, 4, 2048, 2816, false)), "ssd1b");
  EXPECT_EQ(id(unet_like({0, 0, 1, 1, 2, 2}, 4, 2048, 2816, false)), "segmind_vega");
}

TEST(Detection, ReadsThePredictionOffTheMarks) {
  const auto xl = unet_like({0, 2, 10}, 4, 2048, 2816);
  auto marked = [&](std::initializer_list<std::pair<const std::string, Tensor>> marks) {
    const Weights file(std::map<std::string, Tensor>(marks), "made up");
    const auto* found = find_architecture(xl, file);
    return std::pair(found->id, found->sampling(xl, file));
  };
  const auto empty = at::zeros({1});
  EXPECT_EQ(marked({}).second.prediction(), Prediction::eps);
  EXPECT_EQ(marked({{"v_pred", empty}}).second.prediction(), Prediction::v);
  EXPECT_NEAR(marked({{"v_pred", empty}}).second.sigma_max(), 14.6146, 1e-3);
  EXPECT_GT(marked({{"v_pred", empty}, {"ztsnr", empty}}).second.sigma_max(), 4000);
  const auto cosine = marked({{"edm_vpred.sigma_max", at::full({}, 150.0)}}).second;
  EXPECT_EQ(cosine.prediction(), Prediction::v);
  EXPECT_NEAR(cosine.sigma_max(), 150, 1e-2);
  const auto playground = marked({{"edm_mean", empty}, {"edm_std", empty}});
  EXPECT_EQ(playground.first, "sdxl_playground");
  EXPECT_EQ(playground.second.prediction(), Prediction::edm);
  EXPECT_NEAR(playground.second.sigma_max(), 80, 1e-3);

  std::map<std::string, Tensor> sd2;
  const auto shapes = unet_like({1, 1}, 4, 1024, 0);
  for (const auto& name : shapes.names()) sd2[name] = shapes[name].at_rest();
  const std::string bias = "output_blocks.11.1.transformer_blocks.0.norm1.bias";
  sd2[bias] = parity::formula(bias, {320}, 0, 0.05);
  const auto predicts = [&] {
    return find_architecture(Weights(sd2, ""), {})->sampling(Weights(sd2, ""), {}).prediction();
  };
  EXPECT_EQ(predicts(), Prediction::eps);
  sd2[bias] = parity::formula(bias, {320}, 0, 0.2);
  EXPECT_EQ(predicts(), Prediction::v);
}

}  // namespace
}  // namespace easel
