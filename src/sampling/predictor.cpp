#include "sampling/predictor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace easel {
namespace {

// Repeats (or cuts) along the first dimension until it has `batch` entries.
Tensor to_batch(const Tensor& t, int64_t batch) {
  if (t.size(0) == batch) {
    return t;
  }
  std::vector<int64_t> times(t.dim(), 1);
  times[0] = (batch + t.size(0) - 1) / t.size(0);
  return t.repeat(times).narrow(0, 0, batch);
}

Tensor narrow(const Tensor& t, int64_t height, int64_t width, int64_t y, int64_t x) {
  return t.narrow(-2, y, height).narrow(-1, x, width);
}

// Weight of an area without a mask: 1, falling linearly over at most 8 cells towards each edge that lies inside the
// latent.
Tensor feathered(int64_t height, int64_t width, int64_t y, int64_t x, const Tensor& latent) {
  const auto ramp = [&](int64_t length, int64_t offset, int64_t whole) {
    Tensor line = at::ones({length}, latent.options());
    const int64_t fuzz = std::min<int64_t>(8, length / 4);
    for (int64_t i = 0; i < fuzz; ++i) {
      const double weight = 1.0 / static_cast<double>(fuzz) * static_cast<double>(i + 1);
      if (offset != 0) {
        line[i] *= weight;
      }
      if (offset + length < whole) {
        line[length - 1 - i] *= weight;
      }
    }
    return line;
  };
  const Tensor rows = ramp(height, y, latent.size(-2)), columns = ramp(width, x, latent.size(-1));
  return (rows.unsqueeze(1) * columns.unsqueeze(0)).reshape({1, 1, height, width});
}

// [N, h, w] (or [h, w]) of any size -> [N, H, W] of the latent's
Tensor fit_mask(Tensor mask, const Tensor& latent) {
  if (mask.dim() == 2) {
    mask = mask.unsqueeze(0);
  }
  if (mask.dim() != 3) {
    fail("sampling: a conditioning's mask has {} dimensions; wanted [N, H, W]", mask.dim());
  }
  mask = mask.to(latent.device(), at::kFloat);
  if (mask.size(1) != latent.size(-2) || mask.size(2) != latent.size(-1)) {
    mask = at::upsample_bilinear2d(mask.unsqueeze(1), {latent.size(-2), latent.size(-1)}, false).squeeze(1);
  }
  return mask;
}

bool same_shape(const Tensor& a, const Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || a.sizes() == b.sizes());
}

// Texts of different lengths go into one call when repeating their tokens to a common multiple costs at most 4 times
// the shorter.
bool contexts_fit(const Tensor& a, const Tensor& b) {
  if (a.defined() != b.defined()) {
    return false;
  }
  if (!a.defined() || a.sizes() == b.sizes()) {
    return true;
  }
  if (a.dim() != 3 || b.dim() != 3 || a.size(0) != b.size(0) || a.size(2) != b.size(2)) {
    return false;
  }
  return std::lcm(a.size(1), b.size(1)) / std::min(a.size(1), b.size(1)) <= 4;
}

}  // namespace

Denoiser make_denoiser(Network network, ModelSampling sampling, std::function<Weights()> base) {
  return [network = std::move(network), sampling = std::move(sampling),
          base = std::move(base)](const DenoiseInput& in) {
    NetInput input{sampling.calculate_input(in.sigma, in.x), sampling.timestep(in.sigma), in.context, in.concat, in.y};
    const ControlStep step{.sigma = in.sigma[0].item<float>(),
                           .sampling = sampling,
                           .entries = static_cast<int64_t>(in.sides.size()),
                           .base = base};
    for (const auto& control : in.controls) {
      control->add_to(input, step);
    }
    return sampling.calculate_denoised(in.sigma, network(input), in.x);
  };
}

Predictor::Predictor(Denoiser denoiser, MakeInputs inputs, ModelSampling sampling,
                     const std::vector<ConditioningList>& sides, RunFacts run, size_t positive)
    : denoiser_(std::move(denoiser)), inputs_(std::move(inputs)), sampling_(std::move(sampling)), run_(std::move(run)) {
  for (const ConditioningList& side : sides) {
    sides_.push_back(resolve(side, sides_.size() != positive));
  }
  for (size_t from = 0; from < sides_.size(); ++from) {
    for (size_t to = 0; to < sides_.size(); ++to) {
      if (to != from) {
        match_areas(sides_[to], sides_[from]);
      }
    }
  }
  for (size_t side = 0; side < sides_.size(); ++side) {
    if (side != positive) {
      share_controls(sides_[side], sides_.at(positive));
    }
  }
}

Predictor::Side Predictor::resolve(const ConditioningList& list, bool negative) const {
  Side side;
  for (const Conditioning& cond : list) {
    side.push_back(resolve(cond, negative));
  }
  return side;
}

Predictor::Entry Predictor::resolve(const Conditioning& cond, bool negative) const {
  Entry out;
  const Tensor& latent = run_.latent;
  const int64_t batch = latent.size(0), rows = latent.size(-2), columns = latent.size(-1);
  ModelInputs inputs{.context = cond.cross_attn};
  if (inputs_) {
    RunFacts run = run_;
    run.negative = negative;
    inputs = inputs_(cond, run);
  }
  out.controls = cond.controls;
  out.gligen = cond.gligen;
  out.control_negative_too = cond.control_negative_too;
  for (auto [from, to] :
       {std::pair(&inputs.context, &out.context), {&inputs.concat, &out.concat}, {&inputs.y, &out.y}}) {
    if (from->defined()) {
      *to = to_batch(*from, batch);
    }
  }

  // As in ComfyUI, 0 and 1 mean before the first and after the last step
  out.start_sigma =
      cond.start_percent ? sampling_.percent_to_sigma(*cond.start_percent) : std::numeric_limits<double>::infinity();
  out.end_sigma = cond.end_percent ? sampling_.percent_to_sigma(*cond.end_percent) : 0.0;
  out.strength = cond.strength;

  if (cond.area) {
    const auto cells = [&](double value, int64_t whole) {
      return static_cast<int64_t>(cond.area->is_fraction ? std::rint(value * static_cast<double>(whole)) : value);
    };
    out.area = {std::max<int64_t>(1, cells(cond.area->height, rows)),
                std::max<int64_t>(1, cells(cond.area->width, columns)), cells(cond.area->y, rows),
                cells(cond.area->x, columns)};
  }
  Tensor mask;
  if (cond.mask.defined()) {
    mask = fit_mask(cond.mask, latent);
    if (cond.area_from_mask) {
      const Tensor inside = mask.abs().amax(0).gt(0).to(at::kCPU);
      const Tensor filled_rows = inside.any(1).nonzero(), filled_columns = inside.any(0).nonzero();
      if (filled_rows.numel() == 0) {
        out.area = Area{8, 8, 0, 0};
      } else {
        const int64_t top = filled_rows[0].item<int64_t>(), left = filled_columns[0].item<int64_t>();
        out.area = Area{std::max<int64_t>(8, filled_rows[-1].item<int64_t>() - top + 1),
                        std::max<int64_t>(8, filled_columns[-1].item<int64_t>() - left + 1), top, left};
      }
    }
  }
  if (out.area) {
    Area& area = *out.area;
    if (area.y < 0 || area.x < 0 || area.y >= rows || area.x >= columns) {
      fail(
          "sampling: a conditioning's area starts at row {}, column {} of a latent of {} by {}; perhaps the area was "
          "set for a "
          "larger picture",
          area.y, area.x, rows, columns);
    }
    area.height = std::min(area.height, rows - area.y);
    area.width = std::min(area.width, columns - area.x);
  }
  if (mask.defined()) {
    if (out.area) {
      mask = narrow(mask, out.area->height, out.area->width, out.area->y, out.area->x);
    }
    mask = mask.narrow(0, 0, std::min(mask.size(0), batch)) * cond.mask_strength;
    out.weight = to_batch(mask, batch).unsqueeze(1) * cond.strength;
  } else if (out.area) {
    out.weight = feathered(out.area->height, out.area->width, out.area->y, out.area->x, latent) * cond.strength;
  }
  return out;
}

// Guidance compares like with like: for every area on one side the other side gets an entry over the same area, with
// the text of the smallest of its entries that contains it.
void Predictor::match_areas(Side& entries, const Side& others) {
  const auto size = [](const Entry& e) {
    return e.area ? e.area->height * e.area->width : std::numeric_limits<int64_t>::max();
  };
  for (const Entry& other : others) {
    if (!other.area) {
      continue;
    }
    const Entry* smallest = nullptr;
    for (const Entry& entry : entries) {
      const bool contains = !entry.area || (entry.area->y <= other.area->y && entry.area->x <= other.area->x &&
                                            entry.area->y + entry.area->height >= other.area->y + other.area->height &&
                                            entry.area->x + entry.area->width >= other.area->x + other.area->width);
      if (contains && (!smallest || size(entry) < size(*smallest))) {
        smallest = &entry;
      }
    }
    if (!smallest || smallest->area == other.area) {
      continue;
    }
    Entry added = other;
    added.context = smallest->context;
    added.concat = smallest->concat;
    added.y = smallest->y;
    entries.push_back(std::move(added));
  }
}

// A negative side that has no controls of its own takes those of the positive entries that ask for it, and its
// grounding, entry by entry over the whole latent: ComfyUI's behaviour.
void Predictor::share_controls(Side& entries, const Side& positive) {
  std::vector<Entry*> whole;
  for (Entry& entry : entries) {
    if (!entry.area) {
      whole.push_back(&entry);
    }
  }
  const auto share = [&](auto Entry::*member, auto asks) {
    for (const Entry* entry : whole) {
      if (entry->*member != std::decay_t<decltype(entry->*member)>()) {
        return;
      }
    }
    size_t next = 0;
    for (const Entry& entry : positive) {
      if (!whole.empty() && !entry.area && asks(entry) && entry.*member != std::decay_t<decltype(entry.*member)>()) {
        whole[next++ % whole.size()]->*member = entry.*member;
      }
    }
  };
  share(&Entry::controls, [](const Entry& e) { return e.control_negative_too; });
  share(&Entry::gligen, [](const Entry&) { return true; });
}

bool Predictor::can_batch(const Pending& a, const Pending& b) {
  return a.x.sizes() == b.x.sizes() && a.entry->controls == b.entry->controls &&
         (&a == &b || a.entry == b.entry || (!a.entry->gligen && !b.entry->gligen)) &&
         contexts_fit(a.entry->context, b.entry->context) && same_shape(a.entry->concat, b.entry->concat) &&
         same_shape(a.entry->y, b.entry->y);
}

// What the entries of a call are conditioned on, side by side.
Predictor::Joined Predictor::join(const std::vector<Pending>& batch) const {
  std::vector<Tensor> contexts, concats, ys;
  int64_t tokens = 1;
  for (const Pending& p : batch) {
    if (p.entry->context.defined() && p.entry->context.dim() == 3) {
      tokens = std::lcm(tokens, p.entry->context.size(1));
    }
  }
  for (const Pending& p : batch) {
    const Entry& e = *p.entry;
    if (e.context.defined()) {
      const bool repeat = e.context.dim() == 3 && e.context.size(1) != tokens;
      contexts.push_back(repeat ? e.context.repeat({1, tokens / e.context.size(1), 1}) : e.context);
    }
    if (e.concat.defined()) {
      concats.push_back(e.area ? narrow(e.concat, e.area->height, e.area->width, e.area->y, e.area->x) : e.concat);
    }
    if (e.y.defined()) {
      ys.push_back(e.y);
    }
  }
  const auto cat = [](const std::vector<Tensor>& parts) {
    return parts.empty() ? Tensor() : parts.size() == 1 ? parts[0] : at::cat(parts);
  };
  return {.of = {}, .context = cat(contexts), .concat = cat(concats), .y = cat(ys)};
}

Tensor Predictor::call(const std::vector<Pending>& batch, float sigma, bool keep) const {
  std::vector<Tensor> xs;
  std::vector<const Entry*> entries;
  DenoiseInput in;
  for (const Pending& p : batch) {
    in.sides.push_back(p.side);
    xs.push_back(p.x);
    entries.push_back(p.entry);
  }
  const auto known = std::find_if(joined_.begin(), joined_.end(), [&](const Joined& j) { return j.of == entries; });
  const Joined joined = keep && known != joined_.end() ? *known : join(batch);
  if (keep && known == joined_.end()) {
    joined_.push_back(joined);
    joined_.back().of = std::move(entries);
  }
  in.x = xs.size() == 1 ? xs[0] : at::cat(xs);
  in.sigma = at::full({in.x.size(0)}, sigma, in.x.options().dtype(at::kFloat));
  in.context = joined.context;
  in.concat = joined.concat;
  in.y = joined.y;
  in.controls = batch.front().entry->controls;
  if (batch.front().entry->gligen) {
    in.controls.push_back(batch.front().entry->gligen);
  }
  return denoiser_(in);
}

std::vector<Tensor> Predictor::operator()(const Tensor& x, float sigma, const std::vector<bool>& wanted) const {
  std::vector<const Side*> asked;
  for (size_t side = 0; side < sides_.size(); ++side) {
    asked.push_back(wanted.at(side) ? &sides_[side] : nullptr);
  }
  return predict(asked, x, sigma, true);
}

Tensor Predictor::operator()(const Tensor& x, float sigma, const ConditioningList& list) const {
  const Side side = resolve(list, false);
  return predict({&side}, x, sigma, false)[0];
}

std::vector<Tensor> Predictor::predict(const std::vector<const Side*>& sides, const Tensor& x, float sigma,
                                       bool keep) const {
  std::vector<Pending> pending;
  std::vector<int64_t> count(sides.size());
  for (size_t side = 0; side < sides.size(); ++side) {
    if (!sides[side]) {
      continue;
    }
    for (const Entry& e : *sides[side]) {
      if (e.active(sigma)) {
        const Tensor part = e.area ? narrow(x, e.area->height, e.area->width, e.area->y, e.area->x) : x;
        pending.push_back({&e, static_cast<int>(side), part});
        ++count[side];
      }
    }
  }

  std::vector<Tensor> sum(sides.size()), weights(sides.size());
  const auto accumulate = [&](const Pending& p, const Tensor& denoised) {
    const Entry& e = *p.entry;
    const auto side = static_cast<size_t>(p.side);
    if (count[side] == 1 && !e.area && !e.weight.defined()) {
      sum[side] = denoised;  // alone over the whole latent: its weight cancels
      return;
    }
    if (!sum[side].defined()) {
      sum[side] = at::zeros_like(x);
      weights[side] = at::full_like(x, 1e-37);  // so that an uncovered cell gives 0, not NaN
    }
    Tensor to = sum[side], total = weights[side];
    if (e.area) {
      to = narrow(to, e.area->height, e.area->width, e.area->y, e.area->x);
      total = narrow(total, e.area->height, e.area->width, e.area->y, e.area->x);
    }
    if (e.weight.defined()) {
      to.add_(denoised * e.weight);
      total.add_(e.weight);
    } else {
      to.add_(denoised, e.strength);
      total.add_(e.strength);
    }
  };

  while (!pending.empty()) {
    std::vector<Pending> batch, rest;
    for (const Pending& p : pending) {
      (can_batch(p, pending.front()) ? batch : rest).push_back(p);
    }
    std::reverse(batch.begin(), batch.end());  // ComfyUI's order: the negative side first
    const std::vector<Tensor> parts = call(batch, sigma, keep).chunk(static_cast<int64_t>(batch.size()));
    for (size_t i = 0; i < batch.size(); ++i) {
      accumulate(batch[i], parts[i]);
    }
    pending = std::move(rest);
  }
  for (size_t side = 0; side < sides.size(); ++side) {
    if (weights[side].defined()) {
      sum[side].div_(weights[side]);
    } else if (!sum[side].defined() && sides[side]) {
      sum[side] = at::zeros_like(x);  // no entry applies at this sigma
    }
  }
  return sum;
}

}  // namespace easel
