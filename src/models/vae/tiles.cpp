#include "models/vae/tiles.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace easel {

namespace {

std::vector<int64_t> starts(int64_t size, int64_t tile, int64_t overlap) {
  std::vector<int64_t> list;
  if (size <= tile) return {0};
  for (int64_t at = 0; at < size - overlap; at += tile - overlap) list.push_back(std::min(at, size - overlap));
  return list;
}

// 1 inside, falling to 1/feather at both ends. Longer feathers than the tile are left out.
Tensor ramp(int64_t length, int64_t feather) {
  auto weights = at::ones({length});
  if (feather >= length) return weights;
  auto* w = weights.data_ptr<float>();
  for (int64_t t = 0; t < feather; ++t) {
    const float a = static_cast<float>(t + 1) / static_cast<float>(feather);
    w[t] *= a;
    w[length - 1 - t] *= a;
  }
  return weights;
}

}  // namespace

Tensor in_tiles(const Tensor& in, const std::function<Tensor(const Tensor&)>& function, const TileShape& tile,
                int64_t out_channels, double scale) {
  if (tile.height <= tile.overlap || tile.width <= tile.overlap || tile.overlap < 0) {
    fail("in_tiles: a tile of {} × {} with an overlap of {} does not advance; make the overlap smaller", tile.height,
         tile.width, tile.overlap);
  }
  auto scaled = [&](int64_t n) { return static_cast<int64_t>(std::llround(static_cast<double>(n) * scale)); };
  const int64_t batch = in.size(0), height = in.size(2), width = in.size(3), feather = scaled(tile.overlap);
  auto out = at::zeros({batch, out_channels, scaled(height), scaled(width)});
  for (int64_t b = 0; b < batch; ++b) {
    const auto image = in.narrow(0, b, 1);
    auto sum = out.narrow(0, b, 1);
    if (height <= tile.height && width <= tile.width) {
      sum.copy_(function(image));
      continue;
    }
    auto weight = at::zeros({1, 1, sum.size(2), sum.size(3)});
    for (int64_t y : starts(height, tile.height, tile.overlap)) {
      for (int64_t x : starts(width, tile.width, tile.overlap)) {
        const auto part =
            image.narrow(2, y, std::min(tile.height, height - y)).narrow(3, x, std::min(tile.width, width - x));
        const auto result = function(part).to(at::kFloat);
        const auto mask = ramp(result.size(2), feather).unsqueeze(1) * ramp(result.size(3), feather).unsqueeze(0);
        sum.narrow(2, scaled(y), result.size(2)).narrow(3, scaled(x), result.size(3)).add_(result * mask);
        weight.narrow(2, scaled(y), result.size(2)).narrow(3, scaled(x), result.size(3)).add_(mask);
      }
    }
    sum.div_(weight);
  }
  return out;
}

}  // namespace easel
