#include "models/control/t2i_adapter.h"

#include <fmt/format.h>

#include "nn/linear.h"

namespace easel {

namespace {

constexpr int64_t kLevels = 4;

// Halves both sides, rounding up.
Tensor pooled(const Tensor& x) { return at::avg_pool2d(x, {2, 2}, {2, 2}, {x.size(2) % 2, x.size(3) % 2}); }

struct ResBlock {
  explicit ResBlock(const Weights& w) : block1(w / "block1"), block2(w / "block2") {
    if (w.any("in_conv")) in_conv.emplace(w / "in_conv");
    if (w.any("skep")) skip.emplace(w / "skep");
    if (w.any("down_opt")) down.emplace(w / "down_opt" / "op", 2, 1);
  }
  Tensor operator()(Tensor x, bool shrink) const {
    if (shrink) x = down ? (*down)(x) : pooled(x);
    if (in_conv) x = (*in_conv)(x);
    return block2.add(at::relu(block1(x)), skip ? (*skip)(x) : x);
  }
  std::optional<nn::Conv2d> in_conv, skip, down;
  nn::Conv2d block1, block2;
};

// One level of a light adapter.
struct Extractor {
  explicit Extractor(const Weights& w) : in_conv(w / "in_conv"), out_conv(w / "out_conv") {
    for (int64_t i = 0; i < (w / "body").count(); ++i) body.emplace_back(w / "body" / i);
  }
  Tensor operator()(Tensor x) const {
    x = in_conv(x);
    for (const auto& block : body) x = block(x, false);
    return out_conv(x);
  }
  nn::Conv2d in_conv, out_conv;
  std::vector<ResBlock> body;
};

class T2iAdapter : public ControlModel {
 public:
  T2iAdapter(const Weights& w, const Precision& precision) : dtype_(precision.network) {
    int64_t in = 0;
    if (w.any("conv_in")) {
      conv_in_.emplace(w / "conv_in");
      in = conv_in_->in();
      for (int64_t i = 0; i < (w / "body").count(); ++i) blocks_.emplace_back(w / "body" / i);
    } else {
      for (int64_t i = 0; i < (w / "body").count(); ++i) extractors_.emplace_back(w / "body" / i);
      in = extractors_.at(0).in_conv.in();
    }
    xl_ = conv_in_ && (in == 256 || in == 768);
    cell_ = xl_ ? 16 : 8;
    channels_ = in / (cell_ * cell_);
  }

  std::pair<int64_t, int64_t> hint_size(int64_t rows, int64_t columns) const override {
    auto whole = [&](int64_t pixels) { return (pixels + cell_ - 1) / cell_ * cell_; };
    return {whole(8 * rows), whole(8 * columns)};
  }

  Residuals run(const NetInput&, const Tensor& hint, const std::vector<int64_t>&,
                const std::function<Weights()>&) const override {
    const auto x = channels_ == 1 && hint.size(1) > 1 ? hint.mean({1}, true) : hint;
    return placed(features(at::pixel_unshuffle(x, cell_).to(dtype_).contiguous(at::MemoryFormat::ChannelsLast)));
  }

 private:
  std::vector<Tensor> features(Tensor x) const {
    std::vector<Tensor> out;
    if (!conv_in_) {
      for (size_t i = 0; i < extractors_.size(); ++i) out.push_back(x = extractors_[i](i > 0 ? pooled(x) : x));
      return out;
    }
    x = (*conv_in_)(x);
    const size_t each = blocks_.size() / kLevels;
    for (size_t level = 0; level < kLevels; ++level) {
      for (size_t j = 0; j < each; ++j) {
        const bool shrink = j == 0 && (xl_ ? level == 2 : level > 0);
        x = blocks_[level * each + j](x, shrink);
      }
      out.push_back(x);
    }
    return out;
  }

  // At the last input block of each level; the smallest of an XL adapter after the middle block.
  Residuals placed(const std::vector<Tensor>& features) const {
    Residuals out;
    if (!xl_) {
      out.input.resize(3 * features.size());
      for (size_t i = 0; i < features.size(); ++i) out.input[3 * i + 2] = features[i];
      return out;
    }
    out.input.resize(9);
    out.input[3] = features.at(0);
    out.input[5] = features.at(1);
    out.input[8] = features.at(2);
    out.middle = {features.at(3)};
    return out;
  }

  const at::ScalarType dtype_;
  std::optional<nn::Conv2d> conv_in_;
  std::vector<ResBlock> blocks_;
  std::vector<Extractor> extractors_;
  bool xl_ = false;
  int64_t cell_ = 8, channels_ = 3;
};

// diffusers keeps two residual blocks in each of four bodies.
std::optional<std::string> own_name(const std::string& name) {
  constexpr std::string_view adapter = "adapter.", body = "body.", resnets = "resnets.";
  if (name.rfind(adapter, 0) != 0) return name;
  auto rest = name.substr(adapter.size());
  if (rest.rfind(body, 0) != 0) return rest;
  const auto dot = rest.find('.', body.size());
  if (dot == std::string::npos) return rest;
  int64_t number = 2 * std::stoll(rest.substr(body.size(), dot - body.size()));
  rest = rest.substr(dot + 1);
  if (rest.rfind(resnets, 0) == 0) {
    const auto end = rest.find('.', resnets.size());
    if (end == std::string::npos) return std::nullopt;
    number += std::stoll(rest.substr(resnets.size(), end - resnets.size()));
    rest = rest.substr(end + 1);
  }
  return fmt::format("body.{}.{}", number, rest);
}

}  // namespace

std::shared_ptr<const ControlModel> make_t2i_adapter(const TensorFilePtr& file, const Precision& precision) {
  const bool diffusers = file->find("adapter.body.0.resnets.0.block1.weight") != nullptr;
  const Weights weights =
      diffusers ? Weights(file, own_name) : Weights(file, file->find("adapter.conv_in.weight") ? "adapter." : "");
  const bool light = weights.has("body.0.in_conv.weight") && weights.has("body.0.out_conv.weight");
  const bool full = weights.has("conv_in.weight") && weights.has("body.0.block1.weight");
  if (!light && !full) return nullptr;
  return std::make_shared<const T2iAdapter>(weights, precision);
}

}  // namespace easel
