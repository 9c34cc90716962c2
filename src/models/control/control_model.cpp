#include "models/control/control_model.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "base/error.h"
#include "models/control/control_unet.h"
#include "models/control/t2i_adapter.h"
#include "models/file_kind.h"

namespace easel {

namespace {

// image [B, H, W, C] -> [B, C, height, width], cut to their proportions about the centre.
Tensor fitted_hint(const Tensor& image, int64_t height, int64_t width) {
  const auto x = image.permute({0, 3, 1, 2});
  const double have = static_cast<double>(x.size(3)) / static_cast<double>(x.size(2));
  const double want = static_cast<double>(width) / static_cast<double>(height);
  auto margin = [](int64_t size, double share) {
    return std::llrint((static_cast<double>(size) - static_cast<double>(size) * share) / 2);
  };
  const int64_t left = have > want ? margin(x.size(3), want / have) : 0;
  const int64_t top = have < want ? margin(x.size(2), have / want) : 0;
  const auto cut = x.narrow(2, top, x.size(2) - 2 * top).narrow(3, left, x.size(3) - 2 * left).contiguous();
  return at::_upsample_nearest_exact2d(cut, {height, width}, c10::nullopt, c10::nullopt);
}

// One picture serves all; several are dealt out to the batch of each of the `entries` conditionings.
Tensor dealt(const Tensor& hint, int64_t batch, int64_t entries) {
  if (hint.size(0) == 1) return hint.expand({batch, -1, -1, -1});
  const int64_t each = std::max<int64_t>(1, batch / entries);
  const int64_t times = (each + hint.size(0) - 1) / hint.size(0);
  const auto one = hint.repeat({times, 1, 1, 1}).narrow(0, 0, each);
  return one.repeat({batch / each, 1, 1, 1});
}

// What went before, then this.
void add(std::vector<Tensor>& to, const std::vector<Tensor>& more) {
  for (size_t i = 0; i < more.size(); ++i) {
    if (i >= to.size()) to.resize(i + 1);
    if (!more[i].defined()) continue;
    to[i] = to[i].defined() && to[i].sizes() == more[i].sizes() ? to[i] + more[i] : more[i];
  }
}

class Applied : public Control {
 public:
  Applied(ControlNet net, ControlUse use) : net_(std::move(net)), use_(std::move(use)) {}

  void add_to(NetInput& in, const ControlStep& step) const override {
    const auto sigma = static_cast<double>(step.sigma);
    if (sigma > step.sampling.percent_to_sigma(use_.start_percent) ||
        sigma < step.sampling.percent_to_sigma(use_.end_percent)) {
      return;
    }
    const auto [height, width] = net_.model->hint_size(in.x.size(2), in.x.size(3));
    auto made = net_.model->run(in, dealt(hint(height, width), in.x.size(0), step.entries), net_.types, step.base);
    for (auto* list : {&made.input, &made.middle, &made.skips}) {
      for (auto& residual : *list) {
        if (!residual.defined()) continue;
        if (net_.averaged) residual = residual.mean({2, 3}, true).expand_as(residual);
        residual = residual * use_.strength;
      }
    }
    auto sum = in.residuals ? std::make_shared<Residuals>(*in.residuals) : std::make_shared<Residuals>();
    add(sum->input, made.input);
    add(sum->middle, made.middle);
    add(sum->skips, made.skips);
    in.residuals = sum;
  }

 private:
  Tensor hint(int64_t height, int64_t width) const {
    std::lock_guard lock(mutex_);
    if (!hint_.defined() || hint_.size(2) != height || hint_.size(3) != width) {
      hint_ = fitted_hint(use_.image.to(at::kFloat), height, width);
    }
    return hint_;
  }

  const ControlNet net_;
  const ControlUse use_;
  mutable std::mutex mutex_;  // guards hint_
  mutable Tensor hint_;       // for the size last asked for
};

bool ends_with_shuffle(const TensorFile& file) {
  const auto name = file.path().stem().string();
  return name.ends_with("_shuffle") || name.ends_with("_shuffle_fp16");
}

}  // namespace

std::shared_ptr<const Control> applied(const ControlNet& net, const ControlUse& use) {
  if (use.image.dim() != 4)
    fail("applied: a picture [B, H, W, C] of hints was wanted, {} dimensions came", use.image.dim());
  return std::make_shared<const Applied>(net, use);
}

ControlNet load_control_net(const std::string& path, const Precision& precision, const std::optional<Weights>& base) {
  const auto file = open_tensor_file(path);
  ControlNet net{.model = make_control_unet(file, precision, base), .averaged = ends_with_shuffle(*file)};
  if (!net.model) net.model = make_t2i_adapter(file, precision);
  if (!net.model) {
    fail("load_control_net: '{}' is no control network and no T2I-Adapter that is known here; it looks like: {}",
         file->path().filename().string(), file_kind(*file).name);
  }
  return net;
}

}  // namespace easel
