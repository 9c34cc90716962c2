#include "models/control/gligen.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "models/file_kind.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "tensor/kernels/attention.h"

namespace easel {

namespace {

constexpr int64_t kMostBoxes = 30, kFrequencies = 8;
constexpr double kTemperature = 100;

// x + gate * attention of x and the boxes, + gate * feed-forward.
struct GatedAttention {
  explicit GatedAttention(const Weights& w)
      : linear(w / "linear"),
        to_q(w / "attn" / "to_q"),
        to_k(w / "attn" / "to_k"),
        to_v(w / "attn" / "to_v"),
        to_out(w / "attn" / "to_out" / 0),
        ff_in(w / "ff" / "net" / 0 / "proj"),
        ff_out(w / "ff" / "net" / 2),
        norm1(w / "norm1"),
        norm2(w / "norm2"),
        alpha_attn(w["alpha_attn"]),
        alpha_dense(w["alpha_dense"]),
        heads(linear.in() == 768 ? 8 : linear.out() / 64) {}

  Tensor operator()(Tensor x, const Tensor& boxes) const {
    const auto both = norm1(at::cat({x, linear(boxes)}, 1));
    const auto attended = to_out(kernels::attention(to_q(both), to_k(both), to_v(both), heads));
    x = x + attended.narrow(1, 0, x.size(1)) * alpha_attn.like(x).tanh();
    return x + ff_out(ff_in.geglu(norm2(x))) * alpha_dense.like(x).tanh();
  }

  nn::Linear linear, to_q, to_k, to_v, to_out, ff_in, ff_out;
  nn::LayerNorm norm1, norm2;
  Weight alpha_attn, alpha_dense;
  int64_t heads;
};

}  // namespace

class GligenModel {
 public:
  GligenModel(const Weights& w, const Precision& precision)
      : dtype_(precision.network),
        linear0_(w / "position_net" / "linears" / 0),
        linear2_(w / "position_net" / "linears" / 2),
        linear4_(w / "position_net" / "linears" / 4),
        no_text_(w["position_net.null_positive_feature"]),
        no_place_(w["position_net.null_position_feature"]) {
    for (int64_t i = 0; i < (w / "modules").count(); ++i) modules_.emplace_back(w / "modules" / i);
  }

  // Boxes as vectors [1, 30, D]; the places left over hold learned vectors for "nothing".
  Tensor embedded(const std::vector<GroundedBox>& boxes, int64_t rows, int64_t columns) const {
    auto text = no_text_.once(at::kFloat).view({1, -1}).repeat({kMostBoxes, 1});
    auto place = no_place_.once(at::kFloat).view({1, -1}).repeat({kMostBoxes, 1});
    const auto count = std::min<size_t>(boxes.size(), kMostBoxes);
    for (size_t i = 0; i < count; ++i) {
      const auto& box = boxes[i];
      if (box.text.size(-1) != text.size(1)) {
        fail("GLIGEN: texts of {} numbers were wanted, {} came; perhaps it was made for another text encoder",
             text.size(1), box.text.size(-1));
      }
      const auto share = [](int64_t cells, int64_t whole) {
        return static_cast<float>(static_cast<double>(cells) / static_cast<double>(whole));
      };
      text[static_cast<int64_t>(i)] = box.text.to(at::kFloat).view(-1);
      place[static_cast<int64_t>(i)] =
          waves(at::tensor({share(box.x, columns), share(box.y, rows), share(box.x + box.width, columns),
                            share(box.y + box.height, rows)}));
    }
    auto x = at::cat({text, place}, 1).unsqueeze(0).to(dtype_);
    x = linear0_(x, nn::Activation::kSilu);
    return linear4_(linear2_(x, nn::Activation::kSilu));
  }

  Tensor between(const Tensor& x, int64_t block, const Tensor& boxes) const {
    if (block >= static_cast<int64_t>(modules_.size())) return x;
    return modules_[static_cast<size_t>(block)](x, boxes.expand({x.size(0), -1, -1}));
  }

 private:
  // Sine and cosine of the corners at growing frequencies.
  static Tensor waves(const Tensor& corners) {
    std::vector<Tensor> parts;
    for (int64_t i = 0; i < kFrequencies; ++i) {
      const double frequency = std::pow(kTemperature, static_cast<double>(i) / static_cast<double>(kFrequencies));
      parts.push_back((corners * frequency).sin());
      parts.push_back((corners * frequency).cos());
    }
    return at::cat(parts);
  }

  const at::ScalarType dtype_;
  nn::Linear linear0_, linear2_, linear4_;
  Weight no_text_, no_place_;
  std::vector<GatedAttention> modules_;
};

namespace {

class Grounding : public Control {
 public:
  Grounding(Gligen gligen, std::vector<GroundedBox> boxes) : gligen_(std::move(gligen)), boxes_(std::move(boxes)) {}

  void add_to(NetInput& in, const ControlStep&) const override {
    const auto boxes = gligen_.model->embedded(boxes_, in.x.size(2), in.x.size(3));
    in.between_attentions = [model = gligen_.model, boxes](const Tensor& x, int64_t block) {
      return model->between(x, block, boxes);
    };
  }
  const std::vector<GroundedBox>& boxes() const { return boxes_; }

 private:
  const Gligen gligen_;
  const std::vector<GroundedBox> boxes_;
};

// Modules numbered in the order of the U-Net's transformer blocks.
std::map<std::string, std::string> module_names(const Tensors& tensors) {
  std::map<std::string, std::string> names;
  int64_t next = 0;
  constexpr int kMostBlocks = 20;
  for (const char* part : {"input_blocks", "middle_block", "output_blocks"}) {
    for (int block = 0; block < kMostBlocks; ++block) {
      const auto inside = fmt::format("{}.{}.", part, block);
      bool found = false;
      for (const auto& [name, _] : tensors) {
        const auto fuser = name.find(".fuser.");
        const auto at = name.find(inside);
        const bool whole = at != std::string::npos && (at == 0 || name[at - 1] == '.');
        if (fuser == std::string::npos || !whole) continue;
        names[name] = fmt::format("modules.{}.{}", next, name.substr(fuser + 7));
        found = true;
      }
      if (found) ++next;
    }
  }
  return names;
}

}  // namespace

Gligen load_gligen(const std::string& path, const Precision& precision) {
  const auto file = open_tensor_file(path);
  const auto modules = module_names(file->tensors());
  if (modules.empty() || !file->find("position_net.null_positive_feature")) {
    fail("load_gligen: '{}' is no GLIGEN model of text boxes; it looks like: {}", file->path().filename().string(),
         file_kind(*file).name);
  }
  const Weights weights(file, [&](const std::string& name) -> std::optional<std::string> {
    if (auto found = modules.find(name); found != modules.end()) return found->second;
    return name.rfind("position_net.", 0) == 0 ? std::optional(name) : std::nullopt;
  });
  return {std::make_shared<const GligenModel>(weights, precision)};
}

std::shared_ptr<const Control> grounded(const Gligen& gligen, const std::shared_ptr<const Control>& before,
                                        const GroundedBox& more) {
  std::vector<GroundedBox> boxes;
  if (auto* other = dynamic_cast<const Grounding*>(before.get())) boxes = other->boxes();
  boxes.push_back(more);
  return std::make_shared<const Grounding>(gligen, std::move(boxes));
}

}  // namespace easel
