// Nodes that write models.
#include "folders/folders.h"
#include "folders/output.h"
#include "models/save.h"
#include "nodes/families.h"
#include "nodes/metadata.h"
#include "nodes/ports.h"

namespace easel {
namespace {

constexpr const char* kModule = "comfy_extras.nodes_model_merging";

Dtype dtype_of(const Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kHalf:
      return Dtype::F16;
    case at::kBFloat16:
      return Dtype::BF16;
    case at::kFloat8_e4m3fn:
      return Dtype::F8_E4M3;
    case at::kFloat8_e5m2:
      return Dtype::F8_E5M2;
    case at::kLong:
      return Dtype::I64;
    case at::kInt:
      return Dtype::I32;
    case at::kByte:
      return Dtype::U8;
    default:
      return Dtype::F32;
  }
}

// Writes `<prefix>_00001_.safetensors` with how it was made; the file appears when it is whole.
void save(Context& context, const Services& services, const NamedTensors& tensors, const std::string& prefix,
          const Metadata& more = {}) {
  const auto name = folders::next_output_name(services.folders.output(), prefix);
  std::vector<Tensor> memory;
  std::vector<std::pair<std::string, TensorSpan>> spans;
  for (const auto& [key, tensor] : tensors) {
    const auto dtype = dtype_of(tensor);
    memory.push_back((dtype == Dtype::F32 ? tensor.to(at::kFloat) : tensor).contiguous());
    const auto& kept = memory.back();
    const auto* begin = static_cast<const std::byte*>(kept.const_data_ptr());
    spans.emplace_back(key, TensorSpan{dtype, kept.sizes().vec(), {begin, static_cast<size_t>(kept.nbytes())}});
  }
  Metadata metadata = more;
  if (services.metadata) {
    for (const auto& [key, value] : provenance(context)) metadata[key] = value;
  }
  folders::OutputFile file(name.folder, safetensors_size(spans, metadata));
  save_safetensors([&](std::span<const std::byte> bytes) { file.write(bytes); }, spans, metadata);
  file.publish([&](int64_t n) { return folders::numbered(name.filename, n, ".safetensors"); }, name.counter);
}

void add(NamedTensors& to, NamedTensors more) {
  for (auto& entry : more) to.push_back(std::move(entry));
}

// What the Stability "modelspec" says of a checkpoint.
Metadata spec(const Model& model, const std::string& prefix) {
  Metadata metadata;
  if (model.id() == "sdxl") metadata["modelspec.architecture"] = "stable-diffusion-xl-v1-base";
  if (model.id() == "sdxl_refiner") metadata["modelspec.architecture"] = "stable-diffusion-xl-v1-refiner";
  if (!metadata.empty()) {
    metadata["modelspec.sai_model_spec"] = "1.0.0";
    metadata["modelspec.implementation"] = "sgm";
    metadata["modelspec.title"] = prefix.substr(prefix.rfind('/') + 1);
  }
  const auto prediction = model.sampling.prediction();
  if (prediction == Prediction::eps) metadata["modelspec.predict_key"] = "epsilon";
  if (prediction == Prediction::v) metadata["modelspec.predict_key"] = "v";
  return metadata;
}

// Declared in ComfyUI with hidden inputs, whose values come from the context here.
Node saver(Node node) {
  node.category = "advanced/model_merging";
  node.is_output = true;
  node.hidden = {{"prompt", "PROMPT"}, {"extra_pnginfo", "EXTRA_PNGINFO"}};
  node.module = kModule;
  return node;
}

}  // namespace

void add_model_saving_nodes(Registry& registry, const Services& services) {
  registry.add(saver({
      .id = "CheckpointSave",
      .title = "Save Checkpoint",
      .about = "Writes a checkpoint: diffusion model, text encoder and VAE, with everything laid over them.",
      .inputs = {socket("model", "MODEL"), socket("clip", "CLIP"), socket("vae", "VAE"),
                 text("filename_prefix", {.value = "checkpoints/ComfyUI"})},
      .run = [services](Context& context, const Model& model, const Clip& clip, const Vae& vae,
                        const std::string& prefix) -> Ui {
        NamedTensors tensors = model_tensors(model);
        add(tensors, clip_checkpoint_tensors(clip));
        add(tensors, vae_tensors(vae, "first_stage_model."));
        save(context, services, tensors, prefix, spec(model, prefix));
        return {};
      },
  }));
  registry.add(saver({
      .id = "ModelSave",
      .about = "Writes a diffusion model with everything laid over it.",
      .inputs = {socket("model", "MODEL"), text("filename_prefix", {.value = "diffusion_models/ComfyUI"})},
      .run = [services](Context& context, const Model& model, const std::string& prefix) -> Ui {
        save(context, services, model_tensors(model), prefix, spec(model, prefix));
        return {};
      },
  }));
  registry.add(saver({
      .id = "CLIPSave",
      .about = "Writes a text encoder with everything laid over it, one file for each of its models.",
      .inputs = {socket("clip", "CLIP"), text("filename_prefix", {.value = "clip/ComfyUI"})},
      .run = [services](Context& context, const Clip& clip, const std::string& prefix) -> Ui {
        const auto encoders = clip_tensors(clip);
        for (const auto& [encoder, tensors] : encoders) save(context, services, tensors, prefix + "_" + encoder);
        return {};
      },
  }));
  registry.add(saver({
      .id = "VAESave",
      .about = "Writes a VAE.",
      .inputs = {socket("vae", "VAE"), text("filename_prefix", {.value = "vae/ComfyUI_vae"})},
      .run = [services](Context& context, const Vae& vae, const std::string& prefix) -> Ui {
        save(context, services, vae_tensors(vae, ""), prefix);
        return {};
      },
  }));
}

}  // namespace easel
