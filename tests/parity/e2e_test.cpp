// Whole workflows against what ComfyUI's server made of them (parity/sd15/e2e), in float32 on random weights of full
// size. A case runs where easel has all it names; the others are listed.
#include <set>

#include "media/picture.h"
#include "nodes/run_workflow.h"
#include "parity/checkpoints.h"
#include "sampling/samplers.h"

namespace easel {
namespace {

namespace fs = std::filesystem;

// Nodes that are declared for the page's sake, and kinds of files that come later.
const std::set<std::string> kDeclaredOnly = {"StyleModelLoader", "ImageOnlyCheckpointLoader"};
const std::map<std::string, std::string> kLaterFiles = {{"lycoris_mix", "LyCORIS file"}};

struct Group {
  Group() : spread(parity::read_json(*parity::folder() / "sd15" / "e2e.json").at("cases")) {
    for (const auto& entry : fs::directory_iterator(*parity::folder() / "sd15" / "e2e"))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
  }
  ~Group() {
    printf("%-28s %-26s %12s %12s  %s\n", "case", "file", "difference", "tolerance", "verdict");
    for (const std::string& row : rows) printf("%s\n", row.c_str());
  }

  // Made once, when the first case runs: symlinks to the cached checkpoints, copies of the inputs.
  Studio& studio() {
    if (studio_) return *studio_;
    studio_ = std::make_unique<Studio>(options());
    for (const char* name : {"sd15", "sd15_b", "sd15_inpaint"}) link("checkpoints", name, name, at::kHalf);
    link("loras", "lora_kohya_sd15", "lora_kohya_sd15", at::kHalf);
    for (const std::string name : {"embedding_a", "embedding_b"}) link("embeddings", name, name + "_sd15", at::kFloat);
    for (const char* name : {"controlnet_sd15", "t2iadapter_sd15", "t2iadapter_light_sd15"})
      link("controlnet", name, name, at::kHalf);
    link("gligen", "gligen_sd15", "gligen_sd15", at::kHalf);
    link("upscale_models", "esrgan_new_x4", "upscale_esrgan_new_x4", at::kFloat);
    for (const char* name : {"taesd_encoder", "taesd_decoder"}) link("vae_approx", name, name, at::kFloat);
    for (const auto& entry : fs::directory_iterator(*parity::folder() / "sd15" / "inputs"))
      fs::copy_file(entry.path(), studio_->base / "input" / entry.path().filename());
    return *studio_;
  }

  LoadOptions options() {
    const char* source = std::getenv("EASEL_SOURCE_DIR");
    return {.clip_vocabulary = fs::path(source ? source : ".") / ".deps/clip/bpe_simple_vocab_16e6.txt.gz",
            .find_embedding = [this](const std::string& name) -> std::optional<std::string> {
              if (auto path = studio_->folders.find("embeddings", name + ".safetensors")) return path->string();
              return std::nullopt;
            }};
  }

  void link(const std::string& folder, const std::string& name, const std::string& spec, at::ScalarType dtype) {
    const fs::path to = studio_->base / "models" / folder;
    fs::create_directories(to);
    fs::create_symlink(parity::checkpoint(spec, dtype), to / (name + ".safetensors"));
  }

  const Json spread;
  std::vector<std::string> names;
  std::vector<std::string> rows;

 private:
  std::unique_ptr<Studio> studio_;
};

Group& group() {
  static Group one;
  return one;
}

// What a workflow wants that is not there; empty if it can run.
std::string missing(const std::string& name, const Json& workflow, const Registry& registry) {
  if (auto later = kLaterFiles.find(name); later != kLaterFiles.end()) return later->second;
  for (const auto& [id, node] : workflow.items()) {
    const auto type = node.at("class_type").get<std::string>();
    if (!registry.find(type) || kDeclaredOnly.contains(type)) return "node " + type;
    const auto sampler = node.at("inputs").value("sampler_name", "euler");
    if (!has_sampler(sampler)) return "sampler " + sampler;
  }
  return "";
}

double latent_difference(const fs::path& mine, const fs::path& golden) {
  const auto read = [](const fs::path& path) {
    const auto file = load_safetensors(path);
    return view_of(file, *file->find("latent_tensor")).to(at::kDouble).clone();
  };
  const Tensor a = read(mine), b = read(golden);
  if (a.sizes() != b.sizes()) fail("the latents differ in shape");
  return ((a - b).norm() / b.norm()).item<double>();
}

// Mean absolute difference of 8-bit values.
double picture_difference(const fs::path& mine, const fs::path& golden) {
  const auto a = media::decode_file(mine), b = media::decode_file(golden);
  if (a.width != b.width || a.height != b.height || a.channels != b.channels) fail("the pictures differ in shape");
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); i++) sum += std::abs(int{a.pixels[i]} - int{b.pixels[i]});
  return sum / static_cast<double>(a.pixels.size());
}

class EndToEnd : public ::testing::TestWithParam<std::string> {
 protected:
  // golden: "node7.latent.safetensors" or "node9.0.png"
  void compare(const std::string& golden, const OrderedJson& outputs, WorkflowRunner& runner) {
    const std::string id = golden.substr(4, golden.find('.') - 4);
    const bool is_latent = golden.ends_with(".safetensors");
    const size_t index = is_latent ? 0 : std::stoul(golden.substr(5 + id.size()));
    const auto& item = outputs.at(id).at(is_latent ? "latents" : "images").at(index);
    const auto recorded = *parity::folder() / "sd15" / "e2e" / GetParam() / golden;
    const Json spread = group().spread.at(GetParam()).at(golden);
    const double tolerance = is_latent ? std::max(1e-3, 20 * spread.at("measured_rel_l2").get<double>())
                                       : std::max(0.5, 20 * spread.at("measured_mean_abs").get<double>());
    const double difference =
        is_latent ? latent_difference(runner.path(item), recorded) : picture_difference(runner.path(item), recorded);
    const bool ok = difference <= tolerance;
    group().rows.push_back(fmt::format("{:28} {:26} {:12.3g} {:12.3g}  {}", GetParam(), golden, difference, tolerance,
                                       ok ? "ok" : "FAIL"));
    EXPECT_TRUE(ok) << golden << ": " << difference << " > " << tolerance;
  }
};

TEST_P(EndToEnd, GivesWhatComfyUIGave) {
  const auto folder = *parity::folder() / "sd15" / "e2e" / GetParam();
  const Json workflow = parity::read_json(folder / "prompt.json");
  Studio& studio = group().studio();
  if (const std::string what = missing(GetParam(), workflow, studio.registry); !what.empty()) {
    group().rows.push_back(fmt::format("{:28} {:26} {:12} {:12}  not yet: {}", GetParam(), "", "", "", what));
    GTEST_SKIP() << "not yet: " << what;
  }
  WorkflowRunner runner(studio);
  const OrderedJson outputs = runner.run(workflow.dump());
  size_t compared = 0;
  for (const auto& [golden, spread] : group().spread.at(GetParam()).items()) {
    compare(golden, outputs, runner);
    compared++;
  }
  EXPECT_GT(compared, 0u);
}

std::vector<std::string> case_names() { return parity::folder() ? group().names : std::vector<std::string>(); }

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EndToEnd);  // where the parity kit is absent
INSTANTIATE_TEST_SUITE_P(Sd15, EndToEnd, ::testing::ValuesIn(case_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace easel
