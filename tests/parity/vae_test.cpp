#include "models/checkpoint.h"
#include "models/vae/autoencoder_kl.h"
#include "parity/checkpoints.h"

namespace easel {
namespace {

TEST(VaeParity, DecodesAndEncodesAsRecorded) {
  EASEL_NEEDS_PARITY();
  parity::Golden golden("sd15/vae");
  const auto path = parity::checkpoint("sd15");
  const auto vae = load_vae(path, {});
  EXPECT_EQ(vae.weights().unused(), std::vector<std::string>());

  auto test = golden.find("decode_a");
  const auto latent = golden.input(test["inputs"]["samples"]);
  golden.compare(test, "image", vae.decode(latent));
  golden.compare(test, "raw", Autoencoder(vae.weights()).decode(latent));

  for (const char* name : {"encode_a", "encode_crop", "encode_alpha"}) {
    test = golden.find(name);
    golden.compare(test, "samples", vae.encode(golden.input(test["inputs"]["pixels"]).clamp(0, 1)));
  }

  test = golden.find("decode_tiled");
  const auto tiled = golden.input(test["inputs"]["samples"]);
  const int64_t tile = test["params"]["tile_size"], overlap = test["params"]["overlap"];
  const auto step = test["outputs"]["row_step"].get<int64_t>();
  golden.compare(test, "image_rows",
                 vae.decode_tiled(tiled, {.tile_width = tile / 8, .tile_height = tile / 8, .overlap = overlap / 8})
                     .slice(1, 0, std::nullopt, step));
  golden.compare(test, "full_rows", vae.decode(tiled).slice(1, 0, std::nullopt, step));
}

}  // namespace
}  // namespace easel
