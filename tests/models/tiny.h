// A whole SD1 checkpoint of the smallest widths that the layout allows, with reproducible random weights.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "formats/tensor_file.h"
#include "parity/formula.h"

namespace easel::tiny {

using Named = std::map<std::string, Tensor>;

struct Builder {
  Named tensors;

  void tensor(const std::string& name, at::IntArrayRef shape, double mean, double std) {
    tensors[name] = parity::formula(name, shape, mean, std, at::kHalf);
  }
  // Weight and bias with outputs of about the size of the inputs.
  void layer(const std::string& name, at::IntArrayRef shape) {
    int64_t fan_in = 1;
    for (auto size : shape.slice(1)) fan_in *= size;
    tensor(name + ".weight", shape, 0, 1 / std::sqrt(static_cast<double>(fan_in)));
    tensor(name + ".bias", {shape[0]}, 0, 0.02);
  }
  void matrix(const std::string& name, int64_t out, int64_t in) {
    tensor(name + ".weight", {out, in}, 0, 1 / std::sqrt(static_cast<double>(in)));
  }
  void norm(const std::string& name, int64_t width) {
    tensor(name + ".weight", {width}, 1, 0.05);
    tensor(name + ".bias", {width}, 0, 0.02);
  }
};

constexpr int64_t kWidth = 32, kContext = 64, kTime = 128;

inline void add_unet(Builder& b, int64_t in_channels = 4) {
  const std::string u = "model.diffusion_model.";
  auto res = [&](const std::string& name, int64_t in, int64_t out) {
    b.norm(name + ".in_layers.0", in);
    b.layer(name + ".in_layers.2", {out, in, 3, 3});
    b.layer(name + ".emb_layers.1", {out, kTime});
    b.norm(name + ".out_layers.0", out);
    b.layer(name + ".out_layers.3", {out, out, 3, 3});
    if (in != out) b.layer(name + ".skip_connection", {out, in, 1, 1});
  };
  auto transformer = [&](const std::string& name, int64_t width) {
    b.norm(name + ".norm", width);
    b.layer(name + ".proj_in", {width, width, 1, 1});
    b.layer(name + ".proj_out", {width, width, 1, 1});
    const auto t = name + ".transformer_blocks.0.";
    for (const char* n : {"norm1", "norm2", "norm3"}) b.norm(t + n, width);
    for (const char* attn : {"attn1", "attn2"}) {
      b.matrix(t + attn + ".to_q", width, width);
      for (const char* side : {".to_k", ".to_v"})
        b.matrix(t + attn + side, width, *(attn + 4) == '1' ? width : kContext);
      b.layer(t + attn + ".to_out.0", {width, width});
    }
    b.layer(t + "ff.net.0.proj", {8 * width, width});
    b.layer(t + "ff.net.2", {width, 4 * width});
  };
  b.layer(u + "time_embed.0", {kTime, kWidth});
  b.layer(u + "time_embed.2", {kTime, kTime});
  b.layer(u + "input_blocks.0.0", {kWidth, in_channels, 3, 3});
  res(u + "input_blocks.1.0", kWidth, kWidth);
  transformer(u + "input_blocks.1.1", kWidth);
  b.layer(u + "input_blocks.2.0.op", {kWidth, kWidth, 3, 3});
  res(u + "input_blocks.3.0", kWidth, 2 * kWidth);
  transformer(u + "input_blocks.3.1", 2 * kWidth);
  res(u + "middle_block.0", 2 * kWidth, 2 * kWidth);
  transformer(u + "middle_block.1", 2 * kWidth);
  res(u + "middle_block.2", 2 * kWidth, 2 * kWidth);
  res(u + "output_blocks.0.0", 4 * kWidth, 2 * kWidth);
  transformer(u + "output_blocks.0.1", 2 * kWidth);
  res(u + "output_blocks.1.0", 3 * kWidth, 2 * kWidth);
  transformer(u + "output_blocks.1.1", 2 * kWidth);
  b.layer(u + "output_blocks.1.2.conv", {2 * kWidth, 2 * kWidth, 3, 3});
  res(u + "output_blocks.2.0", 3 * kWidth, kWidth);
  transformer(u + "output_blocks.2.1", kWidth);
  res(u + "output_blocks.3.0", 2 * kWidth, kWidth);
  transformer(u + "output_blocks.3.1", kWidth);
  b.norm(u + "out.0", kWidth);
  b.layer(u + "out.2", {4, kWidth, 3, 3});
}

inline void add_vae(Builder& b, const std::string& prefix = "first_stage_model.") {
  auto res = [&](const std::string& name, int64_t in, int64_t out) {
    b.norm(name + ".norm1", in);
    b.layer(name + ".conv1", {out, in, 3, 3});
    b.norm(name + ".norm2", out);
    b.layer(name + ".conv2", {out, out, 3, 3});
    if (in != out) b.layer(name + ".nin_shortcut", {out, in, 1, 1});
  };
  auto middle = [&](const std::string& name) {
    res(name + ".block_1", kWidth, kWidth);
    res(name + ".block_2", kWidth, kWidth);
    b.norm(name + ".attn_1.norm", kWidth);
    for (const char* part : {".attn_1.q", ".attn_1.k", ".attn_1.v", ".attn_1.proj_out"}) {
      b.layer(name + part, {kWidth, kWidth, 1, 1});
    }
  };
  for (const auto& half : {prefix + "encoder", prefix + "decoder"}) {
    const bool encodes = half == prefix + "encoder";
    b.layer(half + ".conv_in", {kWidth, encodes ? 3 : 4, 3, 3});
    middle(half + ".mid");
    for (int64_t i = 0; i < 4; ++i) {
      const auto level = half + (encodes ? ".down." : ".up.") + std::to_string(i);
      res(level + ".block.0", kWidth, kWidth);
      if (encodes && i < 3) b.layer(level + ".downsample.conv", {kWidth, kWidth, 3, 3});
      if (!encodes && i > 0) b.layer(level + ".upsample.conv", {kWidth, kWidth, 3, 3});
    }
    b.norm(half + ".norm_out", kWidth);
    b.layer(half + ".conv_out", {encodes ? 8 : 3, kWidth, 3, 3});
  }
  b.layer(prefix + "quant_conv", {8, 8, 1, 1});
  b.layer(prefix + "post_quant_conv", {4, 4, 1, 1});
}

inline void add_clip(Builder& b) {
  const std::string c = "cond_stage_model.transformer.text_model.";
  b.tensor(c + "embeddings.token_embedding.weight", {49408, kContext}, 0, 0.02);
  b.tensor(c + "embeddings.position_embedding.weight", {77, kContext}, 0, 0.01);
  for (int64_t i = 0; i < 2; ++i) {
    const auto layer = c + "encoder.layers." + std::to_string(i) + ".";
    for (const char* part : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      b.layer(layer + "self_attn." + part, {kContext, kContext});
    }
    b.norm(layer + "layer_norm1", kContext);
    b.norm(layer + "layer_norm2", kContext);
    b.layer(layer + "mlp.fc1", {4 * kContext, kContext});
    b.layer(layer + "mlp.fc2", {kContext, 4 * kContext});
  }
  b.norm(c + "final_layer_norm", kContext);
}

// A file in a folder of its own, gone with the object.
class ScratchFile {
 public:
  ScratchFile(const std::string& name, const Named& tensors) {
    static int count = 0;
    folder_ = std::filesystem::temp_directory_path() /
              ("easel-models-" + std::to_string(getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directories(folder_);
    path_ = folder_ / name;
    std::vector<std::pair<std::string, TensorSpan>> spans;
    for (const auto& [key, tensor] : tensors) {
      spans.emplace_back(key, TensorSpan{.dtype = tensor.scalar_type() == at::kHalf ? Dtype::F16 : Dtype::F32,
                                         .shape = tensor.sizes().vec(),
                                         .bytes = {static_cast<const std::byte*>(tensor.const_data_ptr()),
                                                   static_cast<size_t>(tensor.nbytes())}});
    }
    std::ofstream out(path_, std::ios::binary);
    save_safetensors(
        [&](std::span<const std::byte> bytes) {
          out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        },
        spans);
  }
  ScratchFile(const ScratchFile&) = delete;
  ~ScratchFile() { std::filesystem::remove_all(folder_); }

  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path folder_, path_;
};

inline Named checkpoint() {
  Builder b;
  add_unet(b);
  add_vae(b);
  add_clip(b);
  return b.tensors;
}

}  // namespace easel::tiny
