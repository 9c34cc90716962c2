#include "models/vae/autoencoder_kl.h"

#include <regex>

#include "base/error.h"
#include "tensor/kernels/attention.h"

namespace easel {

namespace kl {

namespace {

constexpr double kEps = 1e-6;

std::vector<Level> levels_of(const Weights& w, const char* resample) {
  std::vector<Level> levels;
  for (int64_t i = 0; i < w.count(); ++i) {
    const auto blocks = w / i / "block";
    auto& level = levels.emplace_back();
    for (int64_t j = 0; j < blocks.count(); ++j) level.blocks.emplace_back(blocks / j);
    if (!(w / i).any(resample)) continue;
    // Down: padded below and to the right only, which the caller does.
    const bool down = std::string(resample) == "downsample";
    level.resample.emplace(w / i / resample / "conv", down ? 2 : 1, down ? std::optional<int64_t>(0) : std::nullopt);
  }
  return levels;
}

}  // namespace

ResBlock::ResBlock(const Weights& w)
    : norm1(w / "norm1", kEps), conv1(w / "conv1"), norm2(w / "norm2", kEps), conv2(w / "conv2") {
  if (w.any("nin_shortcut")) shortcut.emplace(w / "nin_shortcut");
}

Tensor ResBlock::operator()(const Tensor& x) const {
  const auto h = conv1(norm1.silu(x));
  return conv2.add(norm2.silu(h), shortcut ? (*shortcut)(x) : x);
}

Attention::Attention(const Weights& w)
    : norm(w / "norm", kEps), q(w / "q"), k(w / "k"), v(w / "v"), proj_out(w / "proj_out") {}

Tensor Attention::operator()(const Tensor& x) const {
  auto sequence = [](const Tensor& image) {
    return image.permute({0, 2, 3, 1}).reshape({image.size(0), -1, image.size(1)});
  };
  const auto h = sequence(norm(x));
  const auto out = proj_out.add(kernels::attention(q(h), k(h), v(h), 1), sequence(x));
  return out.view({x.size(0), x.size(2), x.size(3), x.size(1)}).permute({0, 3, 1, 2});
}

Encoder::Encoder(const Weights& w)
    : conv_in(w / "conv_in"),
      down(levels_of(w / "down", "downsample")),
      mid(w / "mid"),
      norm_out(w / "norm_out", kEps),
      conv_out(w / "conv_out") {}

Tensor Encoder::operator()(Tensor x) const {
  x = conv_in(x);
  for (const auto& level : down) {
    for (const auto& block : level.blocks) x = block(x);
    if (level.resample) {
      x = (*level.resample)(at::constant_pad_nd(x, {0, 1, 0, 1}).contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
  return conv_out(norm_out.silu(mid(x)));
}

Decoder::Decoder(const Weights& w)
    : conv_in(w / "conv_in"),
      mid(w / "mid"),
      up(levels_of(w / "up", "upsample")),
      norm_out(w / "norm_out", kEps),
      conv_out(w / "conv_out") {}

Tensor Decoder::operator()(Tensor z) const {
  auto x = mid(conv_in(z));
  for (auto level = up.rbegin(); level != up.rend(); ++level) {
    for (const auto& block : level->blocks) x = block(x);
    if (level->resample) x = (*level->resample)(kernels::upsample_nearest_2x(x));
  }
  return conv_out(norm_out.silu(x));
}

}  // namespace kl

Autoencoder::Autoencoder(const Weights& w) {
  if (w.any("encoder")) encoder_.emplace(w / "encoder");
  if (w.any("decoder")) decoder_.emplace(w / "decoder");
  if (w.any("quant_conv")) quant_conv_.emplace(w / "quant_conv");
  if (w.any("post_quant_conv")) post_quant_conv_.emplace(w / "post_quant_conv");
  if (!encoder_ && !decoder_) fail("Autoencoder: '{}' has no encoder and no decoder; perhaps it is no VAE", w.origin());
  const auto& levels = encoder_ ? encoder_->down : decoder_->up;
  factor_ = int64_t{1} << (levels.size() - 1);
  latent_channels_ = decoder_ ? (post_quant_conv_ ? post_quant_conv_->in() : decoder_->conv_in.in())
                              : (quant_conv_ ? quant_conv_->out() : encoder_->conv_out.out()) / 2;
}

Tensor Autoencoder::decode(const Tensor& z) const {
  if (!decoder_) fail("Autoencoder: this VAE has no decoder");
  const auto x = z.contiguous(at::MemoryFormat::ChannelsLast);
  return (*decoder_)(post_quant_conv_ ? (*post_quant_conv_)(x) : x);
}

Tensor Autoencoder::encode(const Tensor& x) const {
  if (!encoder_) fail("Autoencoder: this VAE has no encoder");
  auto moments = (*encoder_)(x.contiguous(at::MemoryFormat::ChannelsLast));
  if (quant_conv_) moments = (*quant_conv_)(moments);
  return moments.chunk(2, 1)[0];
}

int64_t Autoencoder::working_bytes(int64_t height, int64_t width, at::ScalarType dtype) const {
  constexpr int64_t kAlive = 4;  // images of the finest level's widest layer at one time
  const auto channels = decoder_ ? decoder_->up.at(0).blocks.at(0).conv1.in() : encoder_->conv_in.out() * 2;
  return kAlive * channels * height * width * static_cast<int64_t>(c10::elementSize(dtype));
}

std::string autoencoder_name(const std::string& file_name, int64_t levels) {
  static const std::vector<std::pair<std::regex, std::string>> renames = [] {
    std::vector<std::pair<std::regex, std::string>> list;
    for (auto [from, to] : std::initializer_list<std::pair<const char*, const char*>>{
             {R"(\.down_blocks\.(\d+)\.resnets\.)", ".down.$1.block."},
             {R"(\.down_blocks\.(\d+)\.downsamplers\.0\.)", ".down.$1.downsample."},
             {R"(\.up_blocks\.(\d+)\.resnets\.)", ".up.$1.block."},
             {R"(\.up_blocks\.(\d+)\.upsamplers\.0\.)", ".up.$1.upsample."},
             {R"(\.mid_block\.resnets\.0\.)", ".mid.block_1."},
             {R"(\.mid_block\.resnets\.1\.)", ".mid.block_2."},
             {R"(\.mid_block\.attentions\.0\.)", ".mid.attn_1."},
             {R"(\.conv_shortcut\.)", ".nin_shortcut."},
             {R"(\.conv_norm_out\.)", ".norm_out."},
             {R"(\.group_norm\.)", ".norm."},
             {R"(\.(to_q|query)\.)", ".q."},
             {R"(\.(to_k|key)\.)", ".k."},
             {R"(\.(to_v|value)\.)", ".v."},
             {R"(\.(to_out\.0|proj_attn)\.)", ".proj_out."}}) {
      list.emplace_back(from, to);
    }
    return list;
  }();
  auto name = file_name;
  for (const auto& [from, to] : renames) name = std::regex_replace(name, from, to);
  // diffusers counts the decoder's levels from the coarsest.
  static const std::regex up(R"(\.up\.(\d+)\.)");
  std::smatch found;
  if (file_name.find(".up_blocks.") != std::string::npos && std::regex_search(name, found, up)) {
    name =
        found.prefix().str() + ".up." + std::to_string(levels - 1 - std::stoll(found[1])) + "." + found.suffix().str();
  }
  return name;
}

}  // namespace easel
