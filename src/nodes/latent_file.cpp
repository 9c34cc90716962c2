// Latents from files and to files: safetensors with "latent_tensor" in it.
#include "folders/output.h"
#include "formats/tensor_file.h"
#include "nodes/families.h"
#include "nodes/metadata.h"
#include "nodes/ports.h"

namespace easel {
namespace {

TensorSpan span_of(const Tensor& contiguous) {
  const auto* begin = static_cast<const std::byte*>(contiguous.const_data_ptr());
  return {Dtype::F32, contiguous.sizes().vec(), {begin, contiguous.nbytes()}};
}

Ui save_latent(Context& context, const Services& services, const Latent& latent, const std::string& prefix) {
  const auto name = folders::next_output_name(services.folders.output(), prefix);
  const Tensor samples = latent.samples.to(at::kCPU, at::kFloat).contiguous();
  // The empty tensor says that the values are in the VAE's scale; without it they are 0.18215 times as large.
  const std::vector<std::pair<std::string, TensorSpan>> tensors = {
      {"latent_tensor", span_of(samples)}, {"latent_format_version_0", span_of(at::empty({0}))}};
  Metadata metadata;
  if (services.metadata)
    for (const auto& [key, value] : provenance(context)) metadata[key] = value;
  folders::OutputFile file(name.folder, safetensors_size(tensors, metadata));
  save_safetensors([&](std::span<const std::byte> bytes) { file.write(bytes); }, tensors, metadata);
  const auto name_of = [&](int64_t n) { return folders::numbered(name.filename, n, ".latent"); };
  const int64_t counter = file.publish(name_of, name.counter);
  Ui ui;
  ui.data["latents"] = OrderedJson::array({file_item(name_of(counter), name.subfolder, "output")});
  return ui;
}

Latent load_latent(const Folders& folders, const std::string& name) {
  const auto path = input_file("LoadLatent", folders, name);
  const TensorFilePtr file = load_safetensors(path);
  const TensorSpan* span = file->find("latent_tensor");
  if (!span) fail("LoadLatent: '{}' has no tensor 'latent_tensor'; was it saved by SaveLatent?", name);
  const Weights weights(file, "");
  Tensor samples = weights["latent_tensor"].once(at::kFloat);
  if (samples.dim() < 4)
    fail("LoadLatent: '{}' holds a tensor of {} dimensions, 4 or 5 were wanted", name, samples.dim());
  constexpr double kOldScale = 0.18215;  // Stable Diffusion 1's, baked into files of the first version
  if (!file->find("latent_format_version_0")) samples = samples / kOldScale;
  return {.samples = samples.clone()};
}

}  // namespace

void add_latent_file_nodes(Registry& registry, const Services& services) {
  const Folders& folders = services.folders;
  registry.add({
      .id = "SaveLatent",
      .category = "_for_testing",
      .about = "Saves latents in the output folder, with the workflow inside.",
      .inputs = {socket("samples", "LATENT"), text("filename_prefix", {.value = "latents/ComfyUI"})},
      .run = [services](Context& context, const Latent& latent,
                        const std::string& prefix) { return save_latent(context, services, latent, prefix); },
      .is_output = true,
      .hidden = {{"prompt", "PROMPT"}, {"extra_pnginfo", "EXTRA_PNGINFO"}},
  });
  registry.add({
      .id = "LoadLatent",
      .category = "_for_testing",
      .about = "Latents saved by SaveLatent and put into the input folder.",
      .inputs = {files("latent", {.folder = "input", .kind = "latent"})},
      .run = [&folders](const std::string& name) { return load_latent(folders, name); },
      .fingerprint =
          [&folders](const std::vector<Argument>& arguments) {
            return file_fingerprint("LoadLatent", folders, arguments.at(0));
          },
  });
}

}  // namespace easel
