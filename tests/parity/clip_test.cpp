#include "models/checkpoint.h"
#include "parity/checkpoints.h"

namespace easel {
namespace {

std::string vocabulary() {
  if (const char* given = std::getenv("EASEL_CLIP_VOCABULARY")) return given;
  return std::string(std::getenv("EASEL_SOURCE_DIR")) + "/.deps/clip/bpe_simple_vocab_16e6.txt.gz";
}

TEST(ClipParity, EncodesAsRecorded) {
  EASEL_NEEDS_PARITY();
  parity::Golden golden("sd15/clip");
  const auto checkpoint = load_checkpoint(parity::checkpoint("sd15"), {.clip_vocabulary = vocabulary()});
  ASSERT_TRUE(checkpoint.clip);
  for (const auto& test : golden.cases()) {
    const auto& params = test["params"];
    auto clip = *checkpoint.clip;
    if (!params["stop_at_clip_layer"].is_null()) clip = clip.with_last_layer(params["stop_at_clip_layer"]);
    const auto encoding = clip.encode(params["text"]);
    const auto step = test["outputs"]["row_step"].get<int64_t>();
    golden.compare(test, "rows", encoding.cross_attn.slice(1, 0, std::nullopt, step));
    golden.compare(test, "row_norms", encoding.cross_attn.norm(2, {2}));
    golden.compare(test, "pooled", encoding.pooled);
  }
}

}  // namespace
}  // namespace easel
