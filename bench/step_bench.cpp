// One guided step of the Stable Diffusion 1.5 U-Net and one VAE decode at 512x512, with random weights of the real
// shapes: `bench_step [float] [--int8] [--side 64] [--times 3] [--no-vae] [--on-request] [--profile]`. Wall time,
// processor time over threads, page faults, peak memory.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <functional>
#include <iostream>

#include "models/diffusion/unet.h"
#include "models/vae/autoencoder_kl.h"
#include "peak.h"
#include "tensor/host_memory.h"
#include "tensor/kernels/profile.h"

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

void answer_requests(const std::function<void()>& job) {
  job();
  fmt::print("easel, {} threads\n", at::get_num_threads());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    const double start = seconds(CLOCK_MONOTONIC);
    job();
    fmt::print("{:.6f}\n", seconds(CLOCK_MONOTONIC) - start);
    std::fflush(stdout);
  }
}

void print_profile(const char* name, int times, at::ScalarType dtype, const std::function<void()>& job) {
  // Processor time over threads, which other programs on the machine disturb less than they do the wall clock.
  const auto now = [] { return seconds(CLOCK_PROCESS_CPUTIME_ID) / at::get_num_threads(); };
  const double peak = dtype == at::kFloat ? bench::peak_rate<float>(now) : bench::peak_rate<at::BFloat16>(now);
  job();
  kernels::Profile profile(now);
  const double start = now();
  for (int i = 0; i < times; ++i) job();
  const double whole = (now() - start) / times;
  std::map<std::string, kernels::Profile::Line> kinds;
  double counted = 0;
  const auto print = [&](const std::string& what, const kernels::Profile::Line& line) {
    const bool is_product =
        what.rfind("attention", 0) == 0 || what.rfind("linear", 0) == 0 || what.rfind("conv", 0) == 0;
    const double rate = line.work / line.seconds;
    fmt::print("{:<52} {:4} calls {:8.2f} ms {:5.1f} % {:7.0f} {:<8} {}\n", what, line.calls / times,
               1e3 * line.seconds / times, 100 * line.seconds / times / whole, rate / 1e9,
               is_product ? "GFLOP/s" : "GB/s",
               is_product ? fmt::format("{:3.0f} % of the peak", 100 * rate / peak) : "");
  };
  fmt::print("{}: {:.1f} ms, {} threads, peak {:.0f} GFLOP/s\n", name, 1e3 * whole, at::get_num_threads(), peak / 1e9);
  std::vector<std::pair<std::string, kernels::Profile::Line>> lines(profile.lines.begin(), profile.lines.end());
  std::sort(lines.begin(), lines.end(), [](auto& a, auto& b) { return a.second.seconds > b.second.seconds; });
  for (const auto& [what, line] : lines) {
    print(what, line);
    auto& kind = kinds[what.substr(0, what.find_first_of(" 0123456789["))];
    kind.calls += line.calls;
    kind.seconds += line.seconds;
    kind.work += line.work;
    counted += line.seconds / times;
  }
  fmt::print("together:\n");
  for (const auto& [what, line] : kinds) print(what, line);
  fmt::print("{:<52} {:22.2f} ms {:5.1f} %\n", "not in these operators", 1e3 * (whole - counted),
             100 * (1 - counted / whole));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("one step and one decode of Stable Diffusion 1.5's shapes");
  std::string type = "bfloat16";
  int64_t side = 64;
  int times = 3;
  bool no_vae = false, on_request = false, profile = false, int8 = false;
  app.add_option("type", type)->check(CLI::IsMember({"bfloat16", "float"}));
  app.add_option("--side", side, "of the latent");
  app.add_option("--times", times);
  app.add_flag("--no-vae", no_vae);
  app.add_flag("--int8", int8, "8-bit products in the U-Net");
  app.add_flag("--on-request", on_request, "a step for each line read, its seconds on a line written");
  app.add_flag("--profile", profile, "what each operator took, and its share of the greatest rate of products here");
  CLI11_PARSE(app, argc, argv);
  if (profile && !std::getenv("OMP_WAIT_POLICY")) {  // waiting threads must not spin; read when OpenMP is loaded
    setenv("OMP_WAIT_POLICY", "passive", 1);
    execv("/proc/self/exe", argv);
  }

  const c10::InferenceMode guard;
  recycle_host_memory();
  const auto dtype = type == "float" ? at::kFloat : at::kBFloat16;
  {
    Maker maker{.tensors = {}, .dtype = dtype};
    maker.unet();
    const Weights exact(std::exchange(maker.tensors, {}), "random");
    const Weights weights = int8 ? exact.in_int8() : exact;
    const Unet unet(weights, {});
    const NetInput in{
        .x = at::randn({2, 4, side, side}), .timestep = at::full({2}, 500.0), .context = at::randn({2, 77, 768})};
    const auto step = [&] { unet(in, dtype); };
    if (on_request) {
      answer_requests(step);
    } else if (profile) {
      print_profile("step", times, dtype, step);
    } else {
      measure("step", times, step);
    }
  }
  if (no_vae) return 0;
  Maker maker{.tensors = {}, .dtype = dtype};
  maker.vae_decoder();
  const Weights weights(std::exchange(maker.tensors, {}), "random");
  const Autoencoder vae(weights);
  const Tensor latent = at::randn({1, 4, side, side}).to(dtype);
  const auto decode = [&] { vae.decode(latent); };
  profile ? print_profile("decode", times, dtype, decode) : measure("decode", times, decode);
}
