// The demo model draws what it is asked for: pictures of 50 of its names, made by the real engine, are nearer to their
// own emoji than to any other. With EASEL_DEMO_GRID=FILE.png the pictures are kept as one sheet (docs/demo-grid.png).
#include <gtest/gtest.h>

#include <fstream>

#include "media/picture.h"
#include "nodes/resize.h"
#include "nodes/run_workflow.h"
#include "tensor/precision.h"

namespace easel {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kAsked = 50, kColumns = 10, kSide = 32;

fs::path source_folder() {
  const char* given = std::getenv("EASEL_SOURCE_DIR");
  return given ? given : ".";
}

Json read_json(const fs::path& path) { return Json::parse(std::ifstream(path)); }

// [3, height, width] float32 in 0..1
Tensor planes(const media::Picture& picture) {
  const media::Picture rgb = media::to_rgb(picture);
  return at::from_blob(const_cast<uint8_t*>(rgb.pixels.data()), {rgb.height, rgb.width, 3}, at::kByte)
      .permute({2, 0, 1})
      .to(at::kFloat)
      .div(255);
}

// What is compared: [N, 3, 32, 32], each blurred by two boxes of 3 pixels, as one row a picture.
Tensor blurred(const Tensor& pictures) {
  Tensor small = at::adaptive_avg_pool2d(pictures, {kSide, kSide});
  for (int pass = 0; pass < 2; pass++)
    small = at::avg_pool2d(at::replication_pad2d(small, {1, 1, 1, 1}), {3, 3}, {1, 1});
  return small.flatten(1);
}

// demo/references.png: 32x32 pictures, 10 in a row, in the order of names.json.
Tensor references(int64_t count) {
  const Tensor sheet = planes(media::decode_file(source_folder() / "demo/references.png"));
  std::vector<Tensor> cells;
  for (int64_t i = 0; i < count; i++)
    cells.push_back(sheet.narrow(1, i / kColumns * kSide, kSide).narrow(2, i % kColumns * kSide, kSide));
  return at::stack(cells);
}

void write_sheet(const std::string& file, const Tensor& pictures) {  // [N, 3, 128, 128]
  constexpr int64_t kCell = 64;
  const Tensor cells = at::adaptive_avg_pool2d(pictures, {kCell, kCell});
  const int64_t rows = cells.size(0) / kColumns;
  const Tensor sheet = cells.narrow(0, 0, rows * kColumns)
                           .reshape({rows, kColumns, 3, kCell, kCell})
                           .permute({0, 3, 1, 4, 2})
                           .reshape({rows * kCell, kColumns * kCell, 3});
  const Tensor bytes = to_bytes(sheet);
  const auto* begin = bytes.const_data_ptr<uint8_t>();
  std::ofstream(file, std::ios::binary) << media::encode_png({.width = static_cast<int>(bytes.size(1)),
                                                              .height = static_cast<int>(bytes.size(0)),
                                                              .channels = 3,
                                                              .pixels = {begin, begin + bytes.numel()}},
                                                             9);
}

class DemoModel : public ::testing::Test {
 protected:
  DemoModel()
      : studio({.precision = choose_precision({}),
                .clip_vocabulary = source_folder() / ".deps/clip/bpe_simple_vocab_16e6.txt.gz"}),
        runner(studio),
        workflow(read_json(source_folder() / "demo/text_to_image.json")) {}

  void SetUp() override {
    const fs::path checkpoint = source_folder() / "demo/models/checkpoints/easel-demo.safetensors";
    if (!fs::exists(checkpoint)) GTEST_SKIP() << "the demo model is not there: " << checkpoint;
    fs::create_symlink(fs::canonical(checkpoint), studio.base / "models/checkpoints/easel-demo.safetensors");
  }

  Studio studio;
  WorkflowRunner runner;
  Json workflow;
};

TEST_F(DemoModel, ShowsItsSteps) {
  workflow["3"]["inputs"]["steps"] = 3;
  runner.previews = {.method = "latent2rgb", .max_size = 96};
  runner.run(workflow.dump());
  ASSERT_EQ(runner.seen.size(), 3u);
  EXPECT_EQ(runner.seen[0].mime, "image/jpeg");
  const auto picture = media::decode(runner.seen[0].bytes);
  EXPECT_EQ(picture.width, 96);
  EXPECT_EQ(picture.height, 96);
}

TEST_F(DemoModel, DrawsWhatItIsAskedFor) {
  const Json names = read_json(source_folder() / "demo/names.json");
  const auto count = static_cast<int64_t>(names.size());
  ASSERT_GE(count, kAsked);

  std::vector<int64_t> asked;
  std::vector<Tensor> pictures;
  for (int64_t i = 0; i < kAsked; i++) {
    asked.push_back(i * count / kAsked);
    workflow["6"]["inputs"]["text"] = names[asked.back()]["name"];
    const auto outputs = runner.run(workflow.dump());
    pictures.push_back(planes(media::decode_file(runner.path(outputs.at("9").at("images").at(0)))));
  }
  const Tensor drawn = at::stack(pictures);
  if (const char* file = std::getenv("EASEL_DEMO_GRID")) write_sheet(file, drawn);

  const Tensor nearest = at::cdist(blurred(drawn), blurred(references(count))).argmin(1);
  int64_t right = 0;
  for (int64_t i = 0; i < kAsked; i++) {
    const auto taken_for = nearest[i].item<int64_t>();
    right += taken_for == asked[i];
    if (taken_for != asked[i])
      printf("%s looks like %s\n", names[asked[i]]["name"].get<std::string>().c_str(),
             names[taken_for]["name"].get<std::string>().c_str());
  }
  printf("%ld of %ld pictures are nearest to their own emoji\n", right, kAsked);
  EXPECT_GE(right, kAsked * 8 / 10);
}

}  // namespace
}  // namespace easel
