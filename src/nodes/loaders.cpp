// Nodes that load model files.
#include "folders/folders.h"
#include "nodes/families.h"
#include "nodes/model_cache.h"
#include "nodes/ports.h"

namespace easel {
namespace {

const Json kStrengthMin = -100.0, kStrengthMax = 100.0, kStrengthStep = 0.01;

void add_checkpoint(Registry& registry, const Services& services) {
  const Folders& folders = services.folders;
  ModelCache& models = services.models;
  registry.add({
      .id = "CheckpointLoaderSimple",
      .title = "Load Checkpoint",
      .category = "loaders",
      .about = "Loads a checkpoint: the diffusion model, its text encoder and its VAE, as far as the file has them.",
      .inputs = {files("ckpt_name", {.folder = "checkpoints"}, {.tooltip = "The checkpoint file."})},
      .outputs = {{.tooltip = "The diffusion model."}, {.tooltip = "The text encoder."}, {.tooltip = "The VAE."}},
      .run = [&folders,
              &models](const std::string& name) -> std::tuple<Model, std::optional<Clip>, std::optional<Vae>> {
        const Checkpoint checkpoint = models.checkpoint(folders.at("checkpoints", name));
        if (!checkpoint.model) fail("CheckpointLoaderSimple: '{}' holds no diffusion model", name);
        return {*checkpoint.model, checkpoint.clip, checkpoint.vae};
      },
  });
}

// The file of vae_approx whose name begins with "taesd_decoder.", say.
std::string approximation(const Folders& folders, const std::string& kind, const std::string& half) {
  const auto start = kind + "_" + half + ".";
  for (const auto& name : folders.list("vae_approx")) {
    if (name.rfind(start, 0) == 0) return folders.at("vae_approx", name);
  }
  fail("VAELoader: '{}' wants a file '{}…' in the folder vae_approx, and there is none", kind, start);
}

void add_parts(Registry& registry, const Services& services) {
  const Folders& folders = services.folders;
  ModelCache& models = services.models;
  registry.add({
      .id = "VAELoader",
      .title = "Load VAE",
      .category = "loaders",
      .about = "Loads a VAE from a file of its own, or a TAESD from the files of its halves.",
      .inputs = {files("vae_name", {.folder = "vae", .kind = "vae", .extra = {"pixel_space"}})},
      .run = [&folders, &models](const std::string& name) -> Vae {
        for (const char* tiny : {"taesd", "taesdxl", "taesd3", "taef1"}) {
          if (name == tiny)
            return models.taesd(name, approximation(folders, name, "encoder"), approximation(folders, name, "decoder"));
        }
        if (name == "pixel_space") fail("VAELoader: models that work on pixels are not supported yet");
        return models.vae(folders.at("vae", name));
      },
  });
  registry.add({
      .id = "UNETLoader",
      .title = "Load Diffusion Model",
      .category = "advanced/loaders",
      .about = "Loads a diffusion model from a file of its own; the fp8 choices round its weights.",
      .inputs = {files("unet_name", {.folder = "diffusion_models"}),
                 choice("weight_dtype", {"default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"})},
      .run = [&folders, &models](const std::string& name, const std::string& weight_dtype) -> Model {
        return models.diffusion_model(folders.at("diffusion_models", name), weight_dtype);
      },
  });
  registry.add({
      .id = "CLIPLoader",
      .title = "Load CLIP",
      .category = "advanced/loaders",
      .about = "Loads a text encoder from a file of its own, for models of the given type.",
      .inputs = {files("clip_name", {.folder = "text_encoders"}),
                 choice("type", {"stable_diffusion", "stable_cascade", "sd3", "stable_audio", "mochi", "ltxv", "pixart",
                                 "cosmos", "lumina2", "wan", "hidream", "chroma", "ace", "omnigen2", "qwen_image",
                                 "hunyuan_image"}),
                 choice("device", {"default", "cpu"}, {.extra = {{"advanced", true}}})},
      .run = [&folders, &models](const std::string& name, const std::string& type, const std::optional<std::string>&)
          -> Clip { return models.clip({folders.at("text_encoders", name)}, type); },
  });
  registry.add({
      .id = "DualCLIPLoader",
      .category = "advanced/loaders",
      .about = "Loads two text encoders that belong together, each from a file of its own.",
      .inputs = {files("clip_name1", {.folder = "text_encoders"}), files("clip_name2", {.folder = "text_encoders"}),
                 choice("type", {"sdxl", "sd3", "flux", "hunyuan_video", "hidream", "hunyuan_image"}),
                 choice("device", {"default", "cpu"}, {.extra = {{"advanced", true}}})},
      .run = [&folders, &models](const std::string& first, const std::string& second, const std::string& type,
                                 const std::optional<std::string>&) -> Clip {
        return models.clip({folders.at("text_encoders", first), folders.at("text_encoders", second)}, type);
      },
  });
}

void add_loras(Registry& registry, const Services& services) {
  const Folders& folders = services.folders;
  ModelCache& models = services.models;
  registry.add({
      .id = "LoraLoader",
      .title = "Load LoRA",
      .category = "loaders",
      .about = "Lays a LoRA over a diffusion model and its text encoder. Several may follow one another.",
      .inputs = {socket("model", "MODEL", {.tooltip = "The diffusion model to change."}),
                 socket("clip", "CLIP", {.tooltip = "The text encoder to change."}),
                 files("lora_name", {.folder = "loras"}, {.tooltip = "The LoRA file."}),
                 real("strength_model", {.value = 1.0,
                                         .min = kStrengthMin,
                                         .max = kStrengthMax,
                                         .step = kStrengthStep,
                                         .tooltip = "How strongly the diffusion model changes; may be negative."}),
                 real("strength_clip", {.value = 1.0,
                                        .min = kStrengthMin,
                                        .max = kStrengthMax,
                                        .step = kStrengthStep,
                                        .tooltip = "How strongly the text encoder changes; may be negative."})},
      .run = [&folders, &models](const Model& model, const Clip& clip, const std::string& name, double strength_model,
                                 double strength_clip) -> std::tuple<Model, Clip> {
        if (strength_model == 0 && strength_clip == 0) return {model, clip};
        const Lora lora = models.lora(folders.at("loras", name));
        return {with_lora(model, lora, strength_model), with_lora(clip, lora, strength_clip)};
      },
  });
  registry.add({
      .id = "LoraLoaderModelOnly",
      .category = "loaders",
      .about = "Lays a LoRA over a diffusion model and leaves the text encoder alone.",
      .inputs = {socket("model", "MODEL"), files("lora_name", {.folder = "loras"}),
                 real("strength_model",
                      {.value = 1.0, .min = kStrengthMin, .max = kStrengthMax, .step = kStrengthStep})},
      .run = [&folders, &models](const Model& model, const std::string& name, double strength) -> Model {
        return strength == 0 ? model : with_lora(model, models.lora(folders.at("loras", name)), strength);
      },
  });
}

// A loader that the page insists on, of a model kind that is not there yet.
template <class... T>
auto not_yet(const char* what) {
  return [what](const std::string& name) -> std::tuple<T...> {
    fail("'{}' cannot be loaded: {} are not supported yet in this version of easel", name, what);
  };
}

void add_later_kinds(Registry& registry) {
  registry.add({
      .id = "StyleModelLoader",
      .title = "Load Style Model",
      .category = "loaders",
      .about = "Loads a style model (not supported yet).",
      .inputs = {files("style_model_name", {.folder = "style_models"})},
      .run = not_yet<StyleModel>("style models"),
  });
  registry.add({
      .id = "ImageOnlyCheckpointLoader",
      .title = "Image Only Checkpoint Loader (img2vid model)",
      .category = "loaders/video_models",
      .about = "Loads an image-to-video checkpoint (not supported yet).",
      .inputs = {files("ckpt_name", {.folder = "checkpoints"})},
      .run = not_yet<Model, ClipVision, Vae>("checkpoints that are prompted by an image"),
      .module = "comfy_extras.nodes_video_model",
  });
}

}  // namespace

void add_loader_nodes(Registry& registry, const Services& services) {
  add_checkpoint(registry, services);
  add_parts(registry, services);
  add_loras(registry, services);
  add_later_kinds(registry);
}

}  // namespace easel
