// One guided step of the Stable Diffusion 1.5 U-Net and one VAE decode at 512x512, with random weights of the real
// shapes: `bench_step [float] [--side 64] [--times 3] [--no-vae]`. Wall time, processor time over threads, page
// faults, peak memory.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <functional>

#include "models/diffusion/unet.h"
#include "models/vae/autoencoder_kl.h"
#include "tensor/host_memory.h"

namespace {

using namespace easel;

struct Maker {
  std::map<std::string, Tensor> tensors;
  at::ScalarType dtype;

  void weight(const std::string& name, std::vector<int64_t> shape, bool bias = true) {
    int64_t fan = 1;
    for (size_t i = 1; i < shape.size(); ++i) fan *= shape[i];
    tensors[name + ".weight"] =
        (shape.size() == 1 ? at::ones(shape) : at::randn(shape).div_(std::sqrt(double(fan)))).to(dtype);
    if (bias) tensors[name + ".bias"] = at::zeros({shape[0]}).to(dtype);
  }
  void norm(const std::string& name, int64_t width) { weight(name, {width}); }
  void linear(const std::string& name, int64_t in, int64_t out, bool bias = true) { weight(name, {out, in}, bias); }
  void conv(const std::string& name, int64_t in, int64_t out, int64_t kernel) {
    weight(name, {out, in, kernel, kernel});
  }

  void res_block(const std::string& name, int64_t in, int64_t out) {
    norm(name + ".in_layers.0", in);
    conv(name + ".in_layers.2", in, out, 3);
    linear(name + ".emb_layers.1", 1280, out);
    norm(name + ".out_layers.0", out);
    conv(name + ".out_layers.3", out, out, 3);
    if (in != out) conv(name + ".skip_connection", in, out, 1);
  }

  void transformer(const std::string& name, int64_t width) {
    norm(name + ".norm", width);
    conv(name + ".proj_in", width, width, 1);
    conv(name + ".proj_out", width, width, 1);
    const std::string block = name + ".transformer_blocks.0";
    for (const char* n : {".norm1", ".norm2", ".norm3"}) norm(block + n, width);
    for (const auto& [attention, context] : {std::pair<std::string, int64_t>{".attn1", width}, {".attn2", 768}}) {
      linear(block + attention + ".to_q", width, width, false);
      linear(block + attention + ".to_k", context, width, false);
      linear(block + attention + ".to_v", context, width, false);
      linear(block + attention + ".to_out.0", width, width);
    }
    linear(block + ".ff.net.0.proj", width, 8 * width);
    linear(block + ".ff.net.2", 4 * width, width);
  }

  void unet() {
    linear("time_embed.0", 320, 1280);
    linear("time_embed.2", 1280, 1280);
    conv("input_blocks.0.0", 4, 320, 3);
    const std::vector<int64_t> widths{320, 640, 1280, 1280};
    std::vector<int64_t> skips{320};
    int64_t at = 1, width = 320;
    for (size_t level = 0; level < widths.size(); ++level) {
      for (int i = 0; i < 2; ++i, ++at) {
        const auto name = fmt::format("input_blocks.{}", at);
        res_block(name + ".0", width, widths[level]);
        width = widths[level];
        if (level < 3) transformer(name + ".1", width);
        skips.push_back(width);
      }
      if (level < 3) {
        conv(fmt::format("input_blocks.{}.0.op", at++), width, width, 3);
        skips.push_back(width);
      }
    }
    res_block("middle_block.0", width, width);
    transformer("middle_block.1", width);
    res_block("middle_block.2", width, width);
    for (int level = 3, block = 0; level >= 0; --level) {
      for (int i = 0; i < 3; ++i, ++block) {
        const auto name = fmt::format("output_blocks.{}", block);
        res_block(name + ".0", width + skips.back(), widths[level]);
        skips.pop_back();
        width = widths[level];
        if (level < 3) transformer(name + ".1", width);
        if (level > 0 && i == 2) conv(fmt::format("{}.{}.conv", name, level < 3 ? 2 : 1), width, width, 3);
      }
    }
    norm("out.0", 320);
    conv("out.2", 320, 4, 3);
  }

  void vae_block(const std::string& name, int64_t in, int64_t out) {
    norm(name + ".norm1", in);
    conv(name + ".conv1", in, out, 3);
    norm(name + ".norm2", out);
    conv(name + ".conv2", out, out, 3);
    if (in != out) conv(name + ".nin_shortcut", in, out, 1);
  }

  void vae_decoder() {
    conv("post_quant_conv", 4, 4, 1);
    conv("decoder.conv_in", 4, 512, 3);
    vae_block("decoder.mid.block_1", 512, 512);
    norm("decoder.mid.attn_1.norm", 512);
    for (const char* part : {"q", "k", "v", "proj_out"}) conv(fmt::format("decoder.mid.attn_1.{}", part), 512, 512, 1);
    vae_block("decoder.mid.block_2", 512, 512);
    const std::vector<int64_t> widths{128, 256, 512, 512};
    int64_t width = 512;
    for (int level = 3; level >= 0; --level) {
      for (int i = 0; i < 3; ++i) {
        vae_block(fmt::format("decoder.up.{}.block.{}", level, i), width, widths[level]);
        width = widths[level];
      }
      if (level > 0) conv(fmt::format("decoder.up.{}.upsample.conv", level), width, width, 3);
    }
    norm("decoder.norm_out", 128);
    conv("decoder.conv_out", 128, 3, 3);
  }
};

double seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

void measure(const char* name, int times, const std::function<void()>& job) {
  for (int i = 0; i <= times; ++i) {
    const double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    rusage before{}, usage{};
    getrusage(RUSAGE_SELF, &before);
    job();
    getrusage(RUSAGE_SELF, &usage);
    fmt::print("{} {}: {:.3f} s, processor time / threads {:.3f} s, {} page faults, peak {:.2f} GB\n", name,
               i == 0 ? "first" : "again", seconds(CLOCK_MONOTONIC) - wall,
               (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / at::get_num_threads(), usage.ru_minflt - before.ru_minflt,
               usage.ru_maxrss / 1048576.0);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("one step and one decode of Stable Diffusion 1.5's shapes");
  std::string type = "bfloat16";
  int64_t side = 64;
  int times = 3;
  bool no_vae = false;
  app.add_option("type", type)->check(CLI::IsMember({"bfloat16", "float"}));
  app.add_option("--side", side, "of the latent");
  app.add_option("--times", times);
  app.add_flag("--no-vae", no_vae);
  CLI11_PARSE(app, argc, argv);

  const c10::InferenceMode guard;
  recycle_host_memory();
  const auto dtype = type == "float" ? at::kFloat : at::kBFloat16;
  {
    Maker maker{.tensors = {}, .dtype = dtype};
    maker.unet();
    const Weights weights(std::exchange(maker.tensors, {}), "random");
    const Unet unet(weights, {});
    const NetInput in{
        .x = at::randn({2, 4, side, side}), .timestep = at::full({2}, 500.0), .context = at::randn({2, 77, 768})};
    measure("step", times, [&] { unet(in, dtype); });
  }
  if (no_vae) return 0;
  Maker maker{.tensors = {}, .dtype = dtype};
  maker.vae_decoder();
  const Weights weights(std::exchange(maker.tensors, {}), "random");
  const Autoencoder vae(weights);
  const Tensor latent = at::randn({1, 4, side, side}).to(dtype);
  measure("decode", times, [&] { vae.decode(latent); });
}
