// How far bfloat16 is from what ComfyUI recorded in float32 (parity/sd15/e2e), beside libtorch's own operators in
// bfloat16, which is what ComfyUI computes with: ours may be no worse, and no worse at the end of a run than
// libtorch's.
#include <gtest/gtest.h>

#include "nodes/run_workflow.h"
#include "parity/checkpoints.h"
#include "sampling/sample.h"
#include "tensor/kernels/stock.h"
#include "tensor/precision.h"

namespace easel {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kCases = {"t2i",     "cfg1",          "dpmpp_2m_karras",   "euler_ancestral_normal",
                                         "img2img", "uni_pc_simple", "ddim_ddim_uniform", "hires_nearest",
                                         "regions", "rect_batch2",   "inpaint_noisemask", "advanced_two_stage"};

struct Bf16Studio : Studio {
  Bf16Studio() : Studio(options()) {
    fs::create_symlink(parity::checkpoint("sd15", at::kHalf), base / "models/checkpoints/sd15.safetensors");
    for (const auto& entry : fs::directory_iterator(*parity::folder() / "sd15" / "inputs"))
      fs::copy_file(entry.path(), base / "input" / entry.path().filename());
  }
  static LoadOptions options() {
    const char* source = std::getenv("EASEL_SOURCE_DIR");
    return {.precision = {.network = at::kBFloat16, .vae = at::kBFloat16},
            .clip_vocabulary = fs::path(source ? source : ".") / ".deps/clip/bpe_simple_vocab_16e6.txt.gz"};
  }
};

Tensor latent_of(const fs::path& path) {
  const auto file = load_safetensors(path);
  return view_of(file, *file->find("latent_tensor")).to(at::kDouble).clone();
}

// Relative error of every recorded latent of the case.
std::map<std::string, double> errors_of(Studio& studio, const std::string& name) {
  const auto folder = *parity::folder() / "sd15" / "e2e" / name;
  WorkflowRunner runner(studio);
  const OrderedJson outputs = runner.run(parity::read_json(folder / "prompt.json").dump());
  std::map<std::string, double> errors;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename();
    if (!file.ends_with(".latent.safetensors")) continue;
    const std::string id = file.substr(4, file.find('.') - 4);
    const Tensor want = latent_of(entry.path()), got = latent_of(runner.path(outputs.at(id).at("latents").at(0)));
    errors[name + " " + id] = ((got - want).norm() / want.norm()).item<double>();
  }
  return errors;
}

std::map<std::string, double> all_errors() {
  Bf16Studio studio;
  std::map<std::string, double> errors;
  for (const std::string& name : kCases) errors.merge(errors_of(studio, name));
  return errors;
}

TEST(Bf16, IsNoFurtherFromFloat32ThanLibtorchsOwnOperators) {
  EASEL_NEEDS_PARITY();
  if (!cpu_has_bf16()) GTEST_SKIP() << "no native bfloat16 here";
  const auto ours = all_errors();
  kernels::use_stock_operators(true);
  const auto stock = all_errors();
  kernels::use_stock_operators(false);
  double sum = 0, stock_sum = 0;
  printf("%-36s %12s %12s\n", "case, node", "easel", "libtorch");
  for (const auto& [name, error] : ours) {
    printf("%-36s %12.4f %12.4f\n", name.c_str(), error, stock.at(name));
    EXPECT_LT(error, 1.5 * stock.at(name) + 1e-3) << name;
    sum += error;
    stock_sum += stock.at(name);
  }
  printf("%-36s %12.4f %12.4f\n", "mean", sum / ours.size(), stock_sum / ours.size());
  EXPECT_LE(sum, stock_sum * 1.1);
}

// The error of a run is that of its steps, not their sum: it must not grow with their number.
TEST(Bf16, TheErrorDoesNotGrowWithSteps) {
  EASEL_NEEDS_PARITY();
  if (!cpu_has_bf16()) GTEST_SKIP() << "no native bfloat16 here";
  const auto path = parity::checkpoint("sd15", at::kHalf);
  LoadOptions exact = Bf16Studio::options();
  exact.precision = {};
  const auto rough = *load_checkpoint(path, Bf16Studio::options()).model, fine = *load_checkpoint(path, exact).model;
  const auto result = [](const Model& model, int64_t steps) {
    const c10::InferenceMode guard;
    Conditioning text, empty;
    text.cross_attn = parity::formula("text", {1, 77, 768});
    empty.cross_attn = parity::formula("empty", {1, 77, 768});
    SampleRequest request{.positive = {text}, .negative = {empty}, .cfg = 5, .steps = steps};
    request.model = {.network = model.network(), .sampling = model.sampling};
    request.latent_image = at::zeros({1, 4, 8, 8});
    request.noise = prepare_noise(request.latent_image, 3);
    return sample(request);
  };
  std::map<int64_t, double> errors;
  for (const int64_t steps : {4, 8, 16, 32}) {
    const Tensor want = result(fine, steps);
    errors[steps] = ((result(rough, steps) - want).norm() / want.norm()).item<double>();
    printf("%3d steps: relative error %.4f\n", static_cast<int>(steps), errors[steps]);
  }
  EXPECT_LT(errors[32], 2 * std::max(errors[4], errors[8]));
}

}  // namespace
}  // namespace easel
