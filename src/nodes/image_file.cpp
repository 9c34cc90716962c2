// Images from files and to files.
#include <fstream>
#include <random>

#include "folders/output.h"
#include "formats/mapped_file.h"
#include "media/picture.h"
#include "nodes/families.h"
#include "nodes/metadata.h"
#include "nodes/ports.h"
#include "nodes/resize.h"

namespace easel {
namespace {

std::string read_file(const std::string& who, const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path));
  if (!file || size > media::kMaxFileBytes) fail("{}: '{}' cannot be read or is too large", who, path.string());
  std::string bytes(static_cast<size_t>(size), '\0');
  file.read(bytes.data(), size);
  bytes.resize(static_cast<size_t>(file.gcount()));
  return bytes;
}

// 16-bit grey as PIL's mode I cut to 8 bits: value / 255, at most 255.
media::Picture narrowed(media::Picture picture) {
  for (size_t i = 0; i < picture.wide.size(); i++)
    picture.pixels[i] = static_cast<uint8_t>(std::min(static_cast<int>(picture.wide[i] * (1.0 / 255)), 255));
  picture.wide.clear();
  return picture;
}

// [height, width, channels] float32 in 0..1
Tensor pixels_of(const media::Picture& picture) {
  const Tensor bytes = at::from_blob(const_cast<uint8_t*>(picture.pixels.data()),
                                     {picture.height, picture.width, picture.channels}, at::kByte);
  return bytes.to(at::kFloat).div_(255);
}

// All frames of the first one's size, and 1 - alpha of each (64x64 zeros where there is no alpha).
std::tuple<Image, Mask> load_image(const Folders& folders, const std::string& name) {
  const auto frames = media::decode_frames(read_file("LoadImage", input_file("LoadImage", folders, name)));
  constexpr int64_t kNoMask = 64;
  std::vector<Tensor> images, masks;
  for (const media::Picture& frame : frames) {
    if (frame.width != frames.front().width || frame.height != frames.front().height) continue;
    const Tensor rgba = pixels_of(media::to_rgba(narrowed(frame)));
    images.push_back(rgba.narrow(-1, 0, 3).contiguous());
    masks.push_back(frame.has_alpha() ? 1.0 - rgba.select(-1, 3) : at::zeros({kNoMask, kNoMask}));
  }
  return {Image{at::stack(images)}, Mask{at::stack(masks)}};
}

Mask load_image_mask(const Folders& folders, const std::string& name, const std::string& channel) {
  const auto path = input_file("LoadImageMask", folders, name);
  const Tensor rgba = pixels_of(media::to_rgba(narrowed(media::decode(read_file("LoadImageMask", path)))));
  if (channel == "alpha") return {(1.0 - rgba.select(-1, 3)).unsqueeze(0)};
  const int64_t index = channel == "red" ? 0 : channel == "green" ? 1 : 2;
  return {rgba.select(-1, index).unsqueeze(0).contiguous()};
}

media::Picture picture_of(const Tensor& pixels) {
  const Tensor bytes = to_bytes(pixels);
  const auto* begin = bytes.const_data_ptr<uint8_t>();
  return {.width = static_cast<int>(bytes.size(1)),
          .height = static_cast<int>(bytes.size(0)),
          .channels = static_cast<int>(bytes.size(2)),
          .pixels = {begin, begin + bytes.numel()}};
}

std::string with_number(std::string filename, int64_t number) {
  constexpr std::string_view kWord = "%batch_num%";
  for (size_t at = 0; (at = filename.find(kWord, at)) != std::string::npos;)
    filename.replace(at, kWord.size(), std::to_string(number));
  return filename;
}

struct Target {
  std::filesystem::path root;
  std::string type;  // "output" or "temp"
  std::string prefix;
  int level = 4;  // of PNG's compression
  folders::Lasting lasting = folders::Lasting::kYes;
};

Ui save_images(Context& context, const Image& images, const Target& target, bool metadata) {
  check_mapped_files("save_images");  // lest a picture of a broken model look like one
  const Tensor& pixels = images.pixels;
  const auto name = folders::next_output_name(target.root, target.prefix, pixels.size(2), pixels.size(1));
  const auto text = metadata ? provenance(context) : media::TextChunks{};
  Ui ui;
  ui.data["images"] = OrderedJson::array();
  int64_t counter = name.counter;
  for (int64_t i = 0; i < pixels.size(0); i++) {
    context.check_interrupt();
    const std::string bytes = media::encode_png(picture_of(pixels[i]), target.level, text);
    const auto name_of = [&](int64_t n) { return folders::numbered(with_number(name.filename, i), n, ".png"); };
    folders::OutputFile file(name.folder, bytes.size(), target.lasting);
    file.write(bytes);
    counter = file.publish(name_of, counter);
    ui.data["images"].push_back(file_item(name_of(counter), name.subfolder, target.type));
    counter++;
  }
  return ui;
}

// Five letters that keep the previews of one process apart from those of others.
std::string random_letters() {
  std::random_device random;
  std::string letters;
  for (int i = 0; i < 5; i++) letters += static_cast<char>('a' + random() % 26);
  return letters;
}

Input image_input() {
  return files("image", {.folder = "input", .kind = "image", .upload = true}, {.extra = {{"image_upload", true}}});
}

void add_loading(Registry& registry, const Folders& folders) {
  registry.add({
      .id = "LoadImage",
      .title = "Load Image",
      .category = "image",
      .about = "An image of the input folder, and its transparency as a mask.",
      .inputs = {image_input()},
      .run = [&folders](const std::string& name) { return load_image(folders, name); },
      .fingerprint =
          [&folders](const std::vector<Argument>& arguments) {
            return file_fingerprint("LoadImage", folders, arguments.at(0));
          },
      .overlap = Overlap::kInOrder,
  });
  registry.add({
      .id = "LoadImageMask",
      .title = "Load Image (as Mask)",
      .category = "mask",
      .about = "One channel of an image of the input folder as a mask; alpha is turned around.",
      .inputs = {image_input(), choice("channel", {"alpha", "red", "green", "blue"})},
      .run = [&folders](const std::string& name,
                        const std::string& channel) { return load_image_mask(folders, name, channel); },
      .fingerprint =
          [&folders](const std::vector<Argument>& arguments) {
            return file_fingerprint("LoadImageMask", folders, arguments.at(0));
          },
      .overlap = Overlap::kInOrder,
  });
}

void add_saving(Registry& registry, const Services& services) {
  const std::vector<std::pair<std::string, std::string>> hidden = {{"prompt", "PROMPT"},
                                                                   {"extra_pnginfo", "EXTRA_PNGINFO"}};
  registry.add({
      .id = "SaveImage",
      .title = "Save Image",
      .category = "image",
      .about = "Saves images as PNG in the output folder, with the workflow inside.",
      .inputs = {socket("images", "IMAGE", {.tooltip = "The images to save."}),
                 text(
                     "filename_prefix",
                     {.value = "ComfyUI",
                      .tooltip = "How the file's name begins; may hold a subfolder and words such as %date:yyyy-MM-dd% "
                                 "or %Empty Latent Image.width%."})},
      .run =
          [services](Context& context, const Image& images, const std::string& prefix) {
            return save_images(context, images, {services.folders.output(), "output", prefix}, services.metadata);
          },
      .is_output = true,
      .hidden = hidden,
      .overlap = Overlap::kInOrder,
  });
  registry.add({
      .id = "PreviewImage",
      .title = "Preview Image",
      .category = "image",
      .about = "Shows images without keeping them.",
      .inputs = {socket("images", "IMAGE")},
      .run =
          [services](Context& context, const Image& images) {
            static const std::string prefix = "ComfyUI_temp_" + random_letters();
            return save_images(context, images, {services.folders.temp(), "temp", prefix, 1, folders::Lasting::kNo},
                               services.metadata);
          },
      .is_output = true,
      .hidden = hidden,
      .overlap = Overlap::kInOrder,
  });
  registry.add({
      .id = "MaskPreview",
      .category = "mask",
      .about = "Shows masks as grey images without keeping them.",
      .inputs = {socket("mask", "MASK")},
      .run =
          [services](Context& context, const Mask& mask) {
            static const std::string prefix = "ComfyUI_temp_" + random_letters();
            const Tensor& values = mask.values;
            const Tensor planes = values.reshape({-1, values.size(-2), values.size(-1), 1}).expand({-1, -1, -1, 3});
            return save_images(context, {planes}, {services.folders.temp(), "temp", prefix, 4, folders::Lasting::kNo},
                               services.metadata);
          },
      .is_output = true,
      .hidden = hidden,
      .module = "comfy_extras.nodes_mask",
  });
}

}  // namespace

void add_image_file_nodes(Registry& registry, const Services& services) {
  add_loading(registry, services.folders);
  add_saving(registry, services);
}

}  // namespace easel
