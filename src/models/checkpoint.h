// Model files to values: what a file is, and the parts in it.
#pragma once
#include "models/model.h"

namespace easel {

struct LoadOptions {
  Precision precision;
  std::string clip_vocabulary;  // CLIP's BPE vocabulary (bpe_simple_vocab_16e6.txt.gz)
  // Where the textual inversion called `name` in a prompt lies; nothing if there is no such file.
  std::function<std::optional<std::string>(const std::string& name)> find_embedding;
  // Where the small decoder ("taesd_decoder") for previews lies, likewise.
  std::function<std::optional<std::string>(const std::string& stem)> find_approximation;
};

struct Checkpoint {
  std::optional<Model> model;
  std::optional<Clip> clip;
  std::optional<Vae> vae;
};

// A whole checkpoint (CheckpointLoaderSimple). Fails, saying what the file is, where it holds no diffusion model.
Checkpoint load_checkpoint(const std::string& path, const LoadOptions& options);

// UNETLoader: weight_dtype is "default", "fp8_e4m3fn", "fp8_e4m3fn_fast" or "fp8_e5m2" (weights are rounded to it).
Model load_diffusion_model(const std::string& path, const std::string& weight_dtype, const LoadOptions& options);

// CLIPLoader and kin: `type` as in their inputs ("stable_diffusion", …).
Clip load_clip(const std::vector<std::string>& paths, const std::string& type, const LoadOptions& options);

Vae load_vae(const std::string& path, const LoadOptions& options);

// A TAESD from the files of its halves; kind: "taesd", "taesdxl", "taesd3" or "taef1", whose latents it reads.
Vae load_taesd(const std::string& kind, const std::string& encoder_path, const std::string& decoder_path,
               const LoadOptions& options);

Lora load_lora(const std::string& path);

// The model with the adapters of the file that are for it laid over; strength 0 gives the same model back. Modules in
// the file that neither a model nor a text encoder knows are logged.
Model with_lora(const Model& model, const Lora& lora, double strength);
Clip with_lora(const Clip& clip, const Lora& lora, double strength);

// What `easel models` says a file is: "SD1.5 checkpoint (UNet, CLIP-L, VAE), float16", "LoRA for SD1.5", "VAE", …
std::string identify(const std::string& path);

}  // namespace easel
