// Image, mask and latent nodes against the recorded results (parity/upscale).
#include "nodes/ports.h"
#include "nodes/studio.h"
#include "parity/golden.h"

namespace easel {
namespace {

Value value_of(const Input& input, const Json& given);

// The named sources of sources.json.
Tensor source(const std::string& name) {
  const auto spec = parity::read_json(*parity::folder() / "upscale" / "sources.json").at(name);
  const std::string then = spec.at("then").is_string() ? spec.at("then").get<std::string>() : "";
  if (then.find("repeated 8x8") != std::string::npos) {
    auto shape = parity::shape_of(spec);
    shape[1] /= 8;
    shape[2] /= 8;
    const auto small = parity::formula(spec.at("formula"), shape, spec.at("mean"), spec.at("std")).clamp(0, 1);
    return small.repeat_interleave(8, 1).repeat_interleave(8, 2);
  }
  auto plain = spec;
  if (!plain.at("then").is_string()) plain.erase("then");
  const auto tensor = parity::formula(plain);
  return then.starts_with("1 where") ? tensor.gt(0.7).to(at::kFloat) : tensor;
}

// ["LatentOperationSharpen", {"sharpen_radius": 2, …}]
Value operation_of(const Json& given) {
  Studio studio;
  const Node* node = studio.registry.find(given.at(0).get<std::string>());
  std::vector<Value> arguments;
  for (const Input& input : node->inputs) arguments.push_back(value_of(input, given.at(1).at(input.name)));
  return studio.run(node->id, arguments).slots.at(0).at(0);
}

Value value_of(const Input& input, const Json& given) {
  if (given.is_string() && given.get<std::string>().starts_with("$")) {
    const Tensor tensor = source(given.get<std::string>().substr(1));
    if (input.type == "IMAGE") return Value::of(Image{tensor});
    if (input.type == "MASK") return Value::of(Mask{tensor});
    return Value::of(Latent{.samples = tensor});
  }
  if (input.type == "LATENT_OPERATION") return operation_of(given);
  if (input.type == "INT") return Value::of(given.get<int64_t>());
  if (input.type == "FLOAT") return Value::of(given.get<double>());
  if (input.type == "BOOLEAN") return Value::of(given.get<bool>());
  return Value::of(given.get<std::string>());
}

// The tensor or list that a recorded output's key names: "0", "0.samples", "0.batch_index".
void compare(parity::Golden& golden, const Json& test, const std::string& key, const Returned& returned) {
  const auto& slot = returned.slots.at(key.at(0) - '0');
  if (key.size() == 3 && isdigit(key[2])) {  // "0.1": the second of an output list
    const Value& one = slot.at(key[2] - '0');
    if (auto image = one.get<Image>()) return golden.compare(test, key, image->pixels);
    return golden.compare(test, key, one.get<Latent>()->samples);
  }
  const Value& value = slot.at(0);
  if (auto image = value.get<Image>()) return golden.compare(test, key, image->pixels);
  if (auto mask = value.get<Mask>()) return golden.compare(test, key, mask->values);
  const auto* latent = value.get<Latent>();
  ASSERT_TRUE(latent) << test.at("case");
  if (key.ends_with("samples")) return golden.compare(test, key, latent->samples);
  if (key.ends_with("noise_mask")) return golden.compare(test, key, latent->noise_mask);
  EXPECT_EQ(Json(latent->batch_index), test.at("outputs").at(key)) << test.at("case");
}

// Where two neighbours are equally steep, rounding decides in the recording which of them is the edge, if any: each of
// its edges has one of ours within a pixel.
void expect_edges(parity::Golden& golden, const Json& test, const Returned& returned) {
  if (test.at("params").at("inputs").at("image") == "$imgA")  // noise, in which nothing is equal
    return golden.compare(test, "0", returned.slots.at(0).at(0).get<Image>()->pixels);
  const auto plane = [](const Tensor& pixels) { return pixels.select(-1, 0).unsqueeze(1); };
  const auto grown = [](const Tensor& edges) { return at::max_pool2d(edges, {3, 3}, {1, 1}, {1, 1}); };
  const Tensor mine = plane(returned.slots.at(0).at(0).get<Image>()->pixels);
  const Tensor recorded = plane(golden.tensor(test.at("outputs").at("0").at("tensor").get<std::string>()));
  EXPECT_GT(recorded.sum().item<float>(), 0) << test.at("case");
  EXPECT_LT(mine.sum().item<float>(), 2 * recorded.sum().item<float>()) << test.at("case");
  EXPECT_TRUE(recorded.le(grown(mine)).all().item<bool>()) << test.at("case");
}

void run_group(const std::string& group) {
  parity::Golden golden("upscale/" + group, 1e-5);
  Studio studio;
  size_t ran = 0;
  std::set<std::string> absent;
  for (const Json& test : golden.cases()) {
    const Json& params = test.at("params");
    const Node* node = studio.registry.find(params.at("node").get<std::string>());
    if (!node) {
      absent.insert(params.at("node").get<std::string>());
      continue;
    }
    std::vector<Value> arguments;
    for (const Input& input : node->inputs)
      arguments.push_back(params.at("inputs").contains(input.name) ? value_of(input, params.at("inputs").at(input.name))
                          : input.type == "LATENT_OPERATION"       ? value_of(input, params.at("operation"))
                                                                   : Value());
    ran++;
    if (test.at("case") == "LatentInterpolate.6") {  // ComfyUI fails on more than one latent, we do not
      EXPECT_EQ(studio.run(node->id, arguments).slots.at(0).at(0).get<Latent>()->samples.size(0), 2);
      continue;
    }
    if (test.contains("raises")) {
      EXPECT_ANY_THROW(studio.run(node->id, arguments)) << test.at("case");
      continue;
    }
    const Returned returned = studio.run(node->id, arguments);
    if (node->id == "Canny") {
      expect_edges(golden, test, returned);
      continue;
    }
    for (const auto& [key, output] : test.at("outputs").items()) compare(golden, test, key, returned);
  }
  printf("%s: %zu of %zu cases; nodes that are not there yet: %s\n", group.c_str(), ran, golden.cases().size(),
         Json(absent).dump().c_str());
  EXPECT_GT(ran, 0u);
}

TEST(NodeParity, Image) {
  EASEL_NEEDS_PARITY();
  run_group("image_nodes");
}
TEST(NodeParity, Mask) {
  EASEL_NEEDS_PARITY();
  run_group("mask_nodes");
}
TEST(NodeParity, Latent) {
  EASEL_NEEDS_PARITY();
  run_group("latent_nodes");
}

}  // namespace
}  // namespace easel
