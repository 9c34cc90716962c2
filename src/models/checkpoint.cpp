#include "models/checkpoint.h"

#include <mutex>

#include "base/error.h"
#include "models/architecture.h"
#include "models/diffusion/diffusers_names.h"
#include "models/file_kind.h"
#include "models/text_encoders/clip_family.h"
#include "models/vae/autoencoder_kl.h"
#include "models/vae/taesd.h"

namespace easel {

namespace {

std::optional<std::string> after(const std::string& name, const std::string& prefix) {
  if (name.rfind(prefix, 0) != 0) return std::nullopt;
  return name.substr(prefix.size());
}

// The TAESD decoder for latents of this kind, read when first asked.
std::function<Tensor(const Tensor&)> find_tiny_decoder(const LatentFormat& format, const LoadOptions& options) {
  const auto path =
      options.find_approximation && !format.taesd.empty() ? options.find_approximation(format.taesd) : std::nullopt;
  if (!path) return {};
  struct Lazy {
    std::once_flag once;
    std::optional<Taesd> decoder;
  };
  return [lazy = std::make_shared<Lazy>(), path = *path, dtype = options.precision.vae](const Tensor& latent) {
    std::call_once(lazy->once, [&] {
      const Weights weights(open_tensor_file(path),
                            [](const std::string& name) { return std::optional("taesd_decoder." + name); });
      lazy->decoder.emplace(weights, 1.0, 0.0);
    });
    return lazy->decoder->decode(latent.to(dtype)).to(at::kFloat);
  };
}

// The diffusion model's weights as a Model names them.
Weights network_weights(const TensorFilePtr& file, const FileKind& kind, std::optional<at::ScalarType> held) {
  if (kind.diffusers) return diffusers_unet_weights(file, "diffusion_model.", held);
  return Weights(
      file,
      [&](const std::string& name) -> std::optional<std::string> {
        if (name.rfind("noise_augmentor.data_", 0) == 0) return name;  // unCLIP's
        auto rest = after(name, kind.diffusion_prefix);
        return rest ? std::optional("diffusion_model." + *rest) : std::nullopt;
      },
      held);
}

Model make_model(const TensorFilePtr& file, const FileKind& kind, const LoadOptions& options,
                 std::optional<at::ScalarType> held) {
  const Weights bare = kind.diffusers ? diffusers_unet_weights(file, "") : Weights(file, kind.diffusion_prefix);
  const Weights whole(file, "");  // for the marks that some families leave beside the weights
  const auto* architecture = find_architecture(bare, whole);
  if (!architecture) {
    fail("load_diffusion_model: '{}' holds a diffusion model of a kind that is not known here", bare.origin());
  }
  if (!architecture->make) {
    fail("load_diffusion_model: '{}' is a {} model; this kind is not there yet", bare.origin(), architecture->name);
  }
  auto weights = network_weights(file, kind, held);
  if (options.precision.int8) weights = weights.in_int8();
  Model model(*architecture, weights, architecture->sampling(bare, whole), options.precision);
  model.tiny_decoder = find_tiny_decoder(*architecture->latent, options);
  architecture->make(weights, options.precision);  // missing weights show here rather than in the first step
  return model;
}

Vae make_vae(const TensorFilePtr& file, const std::string& prefix, const LoadOptions& options) {
  const auto levels = (Weights(file, prefix) / "decoder" / "up_blocks").count();
  const Weights weights(file, [&](const std::string& name) -> std::optional<std::string> {
    auto rest = after(name, prefix);
    if (!rest || rest->rfind("model_ema.", 0) == 0 || rest->rfind("loss.", 0) == 0) return std::nullopt;
    return autoencoder_name(*rest, levels);
  });
  return Vae(weights, options.precision);
}

[[noreturn]] void refuse(const char* function, const TensorFile& file, const char* wanted) {
  const auto kind = file_kind(file);
  fail("{}: '{}' is not {}; it looks like: {}{}", function, file.path().filename().string(), wanted, kind.name,
       kind.loader.empty() ? "" : "; load it with " + kind.loader);
}

}  // namespace

Checkpoint load_checkpoint(const std::string& path, const LoadOptions& options) {
  const auto file = open_tensor_file(path);
  const auto kind = file_kind(*file);
  if (!kind.has_diffusion_model) refuse("load_checkpoint", *file, "a checkpoint");
  Checkpoint checkpoint{.model = make_model(file, kind, options, {})};
  if (kind.has_vae) checkpoint.vae = make_vae(file, kind.vae_prefix, options);
  if (kind.has_text_encoder) checkpoint.clip = make_clip({file}, options);
  return checkpoint;
}

Model load_diffusion_model(const std::string& path, const std::string& weight_dtype, const LoadOptions& options) {
  const auto file = open_tensor_file(path);
  const auto kind = file_kind(*file);
  if (!kind.has_diffusion_model) refuse("load_diffusion_model", *file, "a diffusion model");
  std::optional<at::ScalarType> held;
  if (weight_dtype == "fp8_e4m3fn" || weight_dtype == "fp8_e4m3fn_fast") held = at::kFloat8_e4m3fn;
  if (weight_dtype == "fp8_e5m2") held = at::kFloat8_e5m2;
  return make_model(file, kind, options, held);
}

Clip load_clip(const std::vector<std::string>& paths, const std::string& type, const LoadOptions& options) {
  // ComfyUI takes types it does not know for "stable_diffusion".
  if (type != "stable_diffusion" && type != "sdxl") {
    fail("load_clip: text encoders of type '{}' are not there yet; 'stable_diffusion' and 'sdxl' are", type);
  }
  std::vector<TensorFilePtr> files;
  for (const auto& path : paths) {
    files.push_back(open_tensor_file(path));
    if (!file_kind(*files.back()).has_text_encoder) refuse("load_clip", *files.back(), "a CLIP text encoder");
  }
  return make_clip(files, options);
}

Vae load_vae(const std::string& path, const LoadOptions& options) {
  const auto file = open_tensor_file(path);
  const auto kind = file_kind(*file);
  if (!kind.has_vae) refuse("load_vae", *file, "a VAE");
  return make_vae(file, kind.vae_prefix, options);
}

Vae load_taesd(const std::string& kind, const std::string& encoder_path, const std::string& decoder_path,
               const LoadOptions& options) {
  const std::map<std::string, const LatentFormat*> formats{
      {"taesd", &kSd15Latent}, {"taesdxl", &kSdxlLatent}, {"taesd3", &kSd3Latent}, {"taef1", &kFluxLatent}};
  const auto format = formats.find(kind);
  if (format == formats.end()) fail("load_taesd: '{}' is no kind of TAESD that is known here", kind);
  auto half = [](const std::string& path, const std::string& prefix) {
    return Weights(open_tensor_file(path), [prefix](const std::string& name) { return std::optional(prefix + name); });
  };
  const auto weights = half(encoder_path, "taesd_encoder.").joined(half(decoder_path, "taesd_decoder."));
  auto network = std::make_shared<const Taesd>(weights, format->second->scale, format->second->shift);
  return Vae(network, weights, options.precision);
}

Lora load_lora(const std::string& path) {
  const auto file = open_tensor_file(path);
  const auto kind = file_kind(*file);
  if (kind.has_diffusion_model || kind.has_vae || kind.has_text_encoder) refuse("load_lora", *file, "a LoRA");
  return {.weights = Weights(file, "")};
}

std::string identify(const std::string& path) { return file_kind(*open_tensor_file(path)).name; }

}  // namespace easel
