#include "models/lora/adapter.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/log.h"

namespace easel {

namespace {

// The tensors of one module, by the last part of their names.
struct Module {
  const Weights& file;
  std::string name;

  std::optional<Weight> find(const std::string& part) const { return file.find(name + part); }
  std::optional<double> number(const std::string& part) const {
    auto weight = find(part);
    return weight ? std::optional(weight->at_rest().flatten()[0].item<double>()) : std::nullopt;
  }
  std::optional<double> alpha() const { return number(".alpha"); }
};

using MaybeWeight = std::optional<Weight>;

Tensor value(const Weight& weight) { return weight.once(at::kFloat); }
Tensor matrix(const Weight& weight) { return value(weight).flatten(1); }

// The scale of a low-rank product: alpha / rank where the file gives an alpha.
double scale_of(std::optional<double> alpha, int64_t rank) {
  return alpha && rank > 0 ? *alpha / static_cast<double>(rank) : 1.0;
}

// weight + strength * difference; with DoRA the direction of the sum is scaled to the magnitudes of the file.
Tensor added(const Tensor& weight, const Tensor& difference, double strength, const MaybeWeight& dora) {
  if (!dora) return weight + strength * difference.reshape(weight.sizes());
  const auto magnitude = value(*dora);
  const auto sum = weight + difference.reshape(weight.sizes());
  std::vector<int64_t> shape(weight.dim(), 1);
  Tensor norm;
  if (magnitude.size(0) == sum.size(0)) {  // one magnitude an output
    shape[0] = weight.size(0);
    norm = weight.flatten(1).norm(2, {1}).view(shape);
  } else {  // one an input
    shape[1] = sum.size(1);
    norm = sum.transpose(0, 1).flatten(1).norm(2, {1}).view(shape);
  }
  const auto turned = sum * (magnitude / (norm + std::numeric_limits<float>::epsilon()));
  return weight + strength * (turned - weight);
}

std::optional<Patch> lora(const Module& m, double strength) {
  static const std::pair<const char*, const char*> kNames[] = {
      {".lora_up.weight", ".lora_down.weight"},
      {"_lora.up.weight", "_lora.down.weight"},
      {".lora_B.weight", ".lora_A.weight"},
      {".lora.up.weight", ".lora.down.weight"},
      {".lora_B", ".lora_A"},
      {".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight"},
      {".lora_B.default.weight", ".lora_A.default.weight"}};
  for (auto [up_name, down_name] : kNames) {
    auto up = m.find(up_name), down = m.find(down_name);
    if (!up || !down) continue;
    const double scale = scale_of(m.alpha(), down->size(0));
    auto mid = m.find(".lora_mid.weight"), dora = m.find(".dora_scale");
    auto apply = [=, up = *up, down = *down](const Tensor& weight) {
      auto inner = value(down);
      if (mid) inner = at::einsum("abkl,bi->aikl", {value(*mid), inner.flatten(1)});
      return added(weight, at::mm(matrix(up), inner.flatten(1)) * scale, strength, dora);
    };
    if (mid || dora || up->dim() < 2 || down->dim() < 2) return Patch(apply);
    auto factors = [=, up = *up, down = *down] { return std::pair(matrix(up) * (scale * strength), matrix(down)); };
    const auto columns = [](const Weight& w) { return c10::multiply_integers(w.sizes().slice(1)); };
    if (columns(*up) != down->size(0)) return Patch(apply);  // it does not fit, which apply says
    return Patch(apply, LowRank{down->size(0), up->size(0), columns(*down), factors});
  }
  return std::nullopt;
}

// A tensor in Tucker form: core [i, j, k, l] with factors for its first two sides.
Tensor tucker(const Weight& core, const Weight& second, const Weight& first) {
  return at::einsum("ijkl,jr,ip->prkl", {value(core), value(second), value(first)});
}

std::optional<Patch> loha(const Module& m, double strength) {
  auto w1a = m.find(".hada_w1_a"), w1b = m.find(".hada_w1_b"), w2a = m.find(".hada_w2_a"), w2b = m.find(".hada_w2_b");
  if (!w1a || !w1b || !w2a || !w2b) return std::nullopt;
  const double scale = scale_of(m.alpha(), w1b->size(0));
  return [=, t1 = m.find(".hada_t1"), t2 = m.find(".hada_t2"), dora = m.find(".dora_scale")](const Tensor& weight) {
    const bool is_tucker = t1 && t2;
    const auto a = is_tucker ? tucker(*t1, *w1b, *w1a) : at::mm(value(*w1a), value(*w1b));
    const auto b = is_tucker ? tucker(*t2, *w2b, *w2a) : at::mm(value(*w2a), value(*w2b));
    return added(weight, a * b * scale, strength, dora);
  };
}

std::optional<Patch> lokr(const Module& m, double strength) {
  auto w1 = m.find(".lokr_w1"), w1a = m.find(".lokr_w1_a"), w1b = m.find(".lokr_w1_b");
  auto w2 = m.find(".lokr_w2"), w2a = m.find(".lokr_w2_a"), w2b = m.find(".lokr_w2_b"), t2 = m.find(".lokr_t2");
  const bool has_second = w2 || (w2a && w2b);
  if (!(w1 || (w1a && w1b)) || !has_second) return std::nullopt;
  // Only factors that are products themselves have a rank.
  const int64_t rank = !w2 ? w2b->size(0) : !w1 ? w1b->size(0) : 0;
  const double scale = scale_of(m.alpha(), rank);
  return [=, dora = m.find(".dora_scale")](const Tensor& weight) {
    auto first = w1 ? value(*w1) : at::mm(value(*w1a), value(*w1b));
    const auto second = w2 ? value(*w2) : t2 ? tucker(*t2, *w2b, *w2a) : at::mm(value(*w2a), value(*w2b));
    if (second.dim() == 4) first = first.unsqueeze(2).unsqueeze(2);
    // kron wants dense factors: the convolutional form comes out of tucker() permuted.
    return added(weight, at::kron(first, second.contiguous()) * scale, strength, dora);
  };
}

// weight + weight A + B, A and B low-rank. Old files store the factors the other way round.
std::optional<Patch> glora(const Module& m, double strength) {
  auto a1 = m.find(".a1.weight"), a2 = m.find(".a2.weight"), b1 = m.find(".b1.weight"), b2 = m.find(".b2.weight");
  if (!a1 || !a2 || !b1 || !b2) return std::nullopt;
  const auto alpha = m.alpha();
  return [=, dora = m.find(".dora_scale")](const Tensor& weight) {
    const bool fits_old = b2->size(1) == b1->size(0) && b1->size(0) == a1->size(0) && a1->size(0) == a2->size(1);
    const bool fits_new = b2->size(0) == b1->size(1) && b1->size(1) == a1->size(1) && a1->size(1) == a2->size(0);
    const bool square = a2->size(0) == weight.size(0) && weight.size(0) == weight.size(1);
    const bool old = fits_old && (!fits_new || square);
    const auto x1 = matrix(*a1), x2 = matrix(*a2), y1 = matrix(*b1), y2 = matrix(*b2);
    Tensor difference;
    if (old) {
      difference = (at::mm(y2, y1) + at::mm(at::mm(weight.flatten(1), x2), x1)).reshape(weight.sizes());
    } else {
      difference = at::tensordot(at::tensordot(weight, x1, {1}, {0}), x2, {weight.dim() - 1}, {0}).movedim(-1, 1) +
                   at::mm(y1, y2).reshape(weight.sizes());
    }
    return added(weight, difference * scale_of(alpha, old ? x1.size(0) : x2.size(0)), strength, dora);
  };
}

// Cayley's rotations of the file's skew matrices [..., n, n], kept within `limit` of none where it is positive.
Tensor rotations(const Weight& blocks, double limit) {
  const auto raw = value(blocks);
  auto q = raw - raw.transpose(-1, -2);
  if (limit > 0) {
    const double norm = q.norm().item<double>() + 1e-8;
    if (norm > limit) q = q * (limit / norm);
  }
  const auto one = at::eye(raw.size(-1));
  return at::matmul(one + q, at::linalg_inv(one - q));
}

std::optional<Patch> oft(const Module& m, double strength) {
  auto blocks = m.find(".oft_blocks");
  if (!blocks || blocks->dim() != 3) return std::nullopt;
  return [=, limit = m.alpha().value_or(0), rescale = m.find(".rescale"),
          dora = m.find(".dora_scale")](const Tensor& weight) {
    const auto r = rotations(*blocks, limit);
    const auto change = strength * (r - at::eye(r.size(-1)));
    const auto pieces = weight.reshape({r.size(0), r.size(1), -1});
    auto difference = at::einsum("knm,knx->kmx", {change, pieces}).reshape(weight.sizes());
    if (rescale) {
      std::vector<int64_t> shape(weight.dim(), 1);
      shape[0] = -1;
      difference = value(*rescale).reshape(shape) * (weight + difference) - weight;
    }
    return added(weight, difference, strength, dora);
  };
}

// Rotations along a butterfly: each stage mixes rows that lie further apart.
std::optional<Patch> boft(const Module& m, double strength) {
  auto blocks = m.find(".oft_blocks");
  if (!blocks || blocks->dim() != 4) return std::nullopt;
  return [=, limit = m.alpha().value_or(0), rescale = m.find(".rescale"),
          dora = m.find(".dora_scale")](const Tensor& weight) {
    auto r = rotations(*blocks, limit);
    r = r * strength + (1 - strength) * at::eye(r.size(-1));
    const int64_t stages = r.size(0), size = r.size(-1), rows = weight.size(0);
    auto x = weight.reshape({rows, -1});
    for (int64_t i = 0; i < stages; ++i) {
      const int64_t apart = (int64_t{1} << i) * (size / 2);
      x = x.reshape({-1, 2, apart, x.size(-1)}).transpose(1, 2).reshape({-1, size, x.size(-1)});
      x = at::bmm(r[i], x);
      x = x.reshape({-1, apart, 2, x.size(-1)}).transpose(1, 2).reshape({rows, -1});
    }
    if (rescale) x = x * value(*rescale).reshape({-1, 1});
    return added(weight, x.reshape(weight.sizes()) - weight, strength, dora);
  };
}

std::optional<Patch> difference(const MaybeWeight& found, double strength) {
  if (!found) return std::nullopt;
  return [strength, diff = *found](const Tensor& weight) {
    return weight + strength * value(diff).reshape(weight.sizes());
  };
}

std::optional<Patch> replacement(const MaybeWeight& found) {
  if (!found) return std::nullopt;
  return [set = *found](const Tensor& weight) { return value(set).reshape(weight.sizes()); };
}

// The patch with the weight scaled first, and with failures logged.
Patch guarded(Patch patch, const Module& m, double strength_model) {
  auto low_rank = strength_model == 1 ? patch.low_rank : std::nullopt;
  auto apply = [patch = std::move(patch), name = m.name, origin = m.file.origin(),
                strength_model](const Tensor& weight) {
    const auto scaled = strength_model == 1 ? weight : weight * strength_model;
    try {
      return patch(scaled);
    } catch (const c10::Error& error) {
      log::error(
          "'{}': the adapter '{}' does not fit a weight [{}] and is left out; perhaps it was made for another model",
          origin, name, fmt::join(weight.sizes(), ", "));
      log::debug("{}", error.what_without_backtrace());
      return scaled;
    }
  };
  return Patch(std::move(apply), std::move(low_rank));
}

}  // namespace

ModulePatches module_patches(const Weights& file, const std::string& module, double strength, double strength_model) {
  const Module m{file, module};
  std::optional<Patch> weight, bias;
  auto take = [](std::optional<Patch>& place, std::optional<Patch> found) {
    if (found) place = std::move(found);  // of several the last wins, as in ComfyUI
  };
  take(weight, lora(m, strength));
  take(weight, loha(m, strength));
  take(weight, lokr(m, strength));
  take(weight, glora(m, strength));
  take(weight, oft(m, strength));
  take(weight, boft(m, strength));
  take(weight, difference(m.find(".w_norm"), strength));
  take(bias, difference(m.find(".b_norm"), strength));
  take(weight, difference(m.find(".diff"), strength));
  take(bias, difference(m.find(".diff_b"), strength));
  take(weight, replacement(m.find(".set_weight")));
  for (auto* patch : {&weight, &bias}) {
    if (*patch) *patch = guarded(std::move(**patch), m, strength_model);
  }
  return {.weight = std::move(weight), .bias = std::move(bias)};
}

}  // namespace easel
