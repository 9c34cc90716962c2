#include <png.h>

#include <filesystem>
#include <random>
#include <regex>

#include "base/error.h"
#include "folders/output.h"
#include "test_worker/test_nodes.h"

namespace easel {
namespace test {

struct Image {
  int64_t width = 0, height = 0, count = 0;
  uint32_t color = 0;  // 0xRRGGBB, all of it
};
struct Mask {};
struct Latent {};
struct Model {};
struct Clip {};
struct Vae {};

}  // namespace test

#define EASEL_TEST_PORT(T, name)               \
  template <>                                  \
  struct Port<test::T> : SocketPort<test::T> { \
    static constexpr const char* type = name;  \
  }
EASEL_TEST_PORT(Image, "IMAGE");
EASEL_TEST_PORT(Mask, "MASK");
EASEL_TEST_PORT(Latent, "LATENT");
EASEL_TEST_PORT(Model, "MODEL");
EASEL_TEST_PORT(Clip, "CLIP");
EASEL_TEST_PORT(Vae, "VAE");
#undef EASEL_TEST_PORT

namespace test {
namespace {

std::string png(const Image& image) {
  std::vector<unsigned char> pixels;
  for (int64_t i = 0; i < image.width * image.height; ++i)
    for (int shift : {16, 8, 0}) pixels.push_back(static_cast<unsigned char>(image.color >> shift));
  png_image header{.version = PNG_IMAGE_VERSION};
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&header, nullptr, &size, 0, pixels.data(), 0, nullptr);
  std::string bytes(size, '\0');
  if (!png_image_write_to_memory(&header, bytes.data(), &size, 0, pixels.data(), 0, nullptr))
    fail("png: {}", header.message);
  bytes.resize(size);
  return bytes;
}

Ui save(const Image& image, const std::string& root, const std::string& prefix, const std::string& type) {
  Ui ui{{{"images", OrderedJson::array()}}};
  folders::OutputName name = folders::next_output_name(root, prefix, image.width, image.height);
  const auto lasting = type == "temp" ? folders::Lasting::kNo : folders::Lasting::kYes;
  for (int64_t i = 0; i < image.count; ++i, ++name.counter)
    ui.data["images"].push_back({{"filename", folders::publish(name, ".png", png(image), lasting)},
                                 {"subfolder", name.subfolder},
                                 {"type", type}});
  return ui;
}

std::string random_letters() {
  std::random_device random;
  std::string letters;
  for (int i = 0; i < 5; ++i) letters += static_cast<char>('a' + random() % 26);
  return letters;
}

std::string replace(const std::string& text, const std::string& pattern, const std::string& by, std::optional<bool>,
                    std::optional<bool>, std::optional<bool>, std::optional<int64_t>) {
  return std::regex_replace(text, std::regex(pattern), by);
}

}  // namespace

void add_recorded_nodes(Registry& registry, const std::string& output_directory, const std::string& temp_directory) {
  const std::vector<std::pair<std::string, std::string>> metadata = {{"prompt", "PROMPT"},
                                                                     {"extra_pnginfo", "EXTRA_PNGINFO"}};
  registry.add(
      {.id = "EmptyImage",
       .category = "image",
       .inputs = {integer("width", {.value = 512, .min = 1, .max = kMaxResolution, .step = 1}),
                  integer("height", {.value = 512, .min = 1, .max = kMaxResolution, .step = 1}),
                  integer("batch_size", {.value = 1, .min = 1, .max = 4096}),
                  integer("color",
                          {.value = 0, .min = 0, .max = 0xFFFFFF, .step = 1, .extra = {{"display", "color"}}})},
       .run = [](int64_t width, int64_t height, int64_t count, int64_t color) {
         return Image{width, height, count, static_cast<uint32_t>(color)};
       }});
  registry.add({.id = "ImageInvert",
                .title = "Invert Image",
                .category = "image",
                .inputs = {socket("image", "IMAGE")},
                .run = [](Image image) {
                  return Image{image.width, image.height, image.count, image.color ^ 0xFFFFFF};
                }});
  registry.add({.id = "SaveImage",
                .title = "Save Image",
                .category = "image",
                .inputs = {socket("images", "IMAGE", {.tooltip = "What to save."}),
                           text("filename_prefix", {.value = "ComfyUI", .tooltip = "How the files' names begin."})},
                .run = [=](Image image, std::string prefix) { return save(image, output_directory, prefix, "output"); },
                .is_output = true,
                .hidden = metadata});
  registry.add(
      {.id = "PreviewImage",
       .title = "Preview Image",
       .category = "image",
       .inputs = {socket("images", "IMAGE")},
       .run = [=](Image image) { return save(image, temp_directory, "ComfyUI_temp_" + random_letters(), "temp"); },
       .is_output = true,
       .hidden = metadata});
  registry.add({.id = "LoadImage",
                .title = "Load Image",
                .category = "image",
                .inputs = {files("image", {.folder = "input", .kind = "image", .upload = true},
                                 {.extra = {{"image_upload", true}}})},
                .run = [](std::string) {
                  return std::tuple(Image{64, 64, 1, 0}, Mask());
                }});
  registry.add({.id = "ImageScale",
                .title = "Upscale Image",
                .category = "image/upscaling",
                .inputs = {socket("image", "IMAGE"),
                           choice("upscale_method", {"nearest-exact", "bilinear", "area", "bicubic", "lanczos"}),
                           integer("width", {.value = 512, .min = 0, .max = kMaxResolution, .step = 1}),
                           integer("height", {.value = 512, .min = 0, .max = kMaxResolution, .step = 1}),
                           choice("crop", {"disabled", "center"})},
                .run = [](Image image, std::string, int64_t width, int64_t height, std::string) {
                  return Image{width, height, image.count, image.color};
                }});
  registry.add({.id = "CheckpointLoaderSimple",
                .title = "Load Checkpoint",
                .category = "loaders",
                .inputs = {files("ckpt_name", {.folder = "checkpoints"}, {.tooltip = "The file."})},
                .run = [](std::string) { return std::tuple(Model(), Clip(), Vae()); }});
  registry.add({.id = "EmptyLatentImage",
                .title = "Empty Latent Image",
                .category = "latent",
                .inputs = {integer("width", {.value = 512, .min = 16, .max = kMaxResolution, .step = 8}),
                           integer("height", {.value = 512, .min = 16, .max = kMaxResolution, .step = 8}),
                           integer("batch_size", {.value = 1, .min = 1, .max = 4096})},
                .run = [](int64_t, int64_t, int64_t) { return Latent(); }});
  registry.add({.id = "VAEDecode",
                .title = "VAE Decode",
                .category = "latent",
                .inputs = {socket("samples", "LATENT", {.tooltip = "What to decode."}),
                           socket("vae", "VAE", {.tooltip = "By what."})},
                .run = [](Latent, Vae) {
                  return Image{64, 64, 1, 0};
                }});
  registry.add({.id = "StringConcatenate",
                .title = "Concatenate",
                .category = "utils/string",
                .inputs = {text("string_a", {.multiline = true}), text("string_b", {.multiline = true}),
                           text("delimiter", {.value = "", .multiline = false})},
                .run = [](std::string a, std::string b, std::string delimiter) { return a + delimiter + b; },
                .v3 = true,
                .module = "comfy_extras.nodes_string"});
  registry.add({.id = "RegexReplace",
                .title = "Regex Replace",
                .category = "utils/string",
                .inputs = {text("string", {.multiline = true}), text("regex_pattern", {.multiline = true}),
                           text("replace", {.multiline = true}), boolean("case_insensitive", {.value = true}),
                           boolean("multiline", {.value = false}), boolean("dotall", {.value = false}),
                           integer("count", {.value = 0, .min = 0, .max = 100})},
                .run = replace,
                .v3 = true,
                .module = "comfy_extras.nodes_string"});
  registry.add({.id = "PreviewAny",
                .title = "Preview Any",
                .category = "utils",
                .inputs = {socket("source", "*", {.tooltip = "What to show."})},
                .run =
                    [](Value value) {
                      return Ui{{{"text", {value.get<std::string>() ? *value.get<std::string>() : "?"}}}};
                    },
                .is_output = true,
                .module = "comfy_extras.nodes_preview_any"});
}

}  // namespace test
}  // namespace easel
