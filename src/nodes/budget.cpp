#include "nodes/budget.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/host.h"

namespace easel {
namespace {

std::string readable(double bytes) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  size_t i = 0;
  for (; bytes >= 1000 && i + 1 < std::size(units); i++) bytes /= 1000;
  return fmt::format("{:.1f} {}", bytes, units[i]);
}

}  // namespace

void require_memory(const std::string& who, const std::vector<int64_t>& shape) {
  double bytes = sizeof(float);
  for (int64_t size : shape) bytes *= static_cast<double>(size);
  constexpr double kAlwaysFine = 64e6;  // do not ask the kernel for small ones
  if (bytes <= kAlwaysFine) return;
  const auto available = static_cast<double>(host_memory().available);
  if (bytes > available)
    fail("{}: {} wanted for a tensor of [{}], {} are free; a smaller size or batch is needed", who, readable(bytes),
         fmt::join(shape, ", "), readable(available));
}

}  // namespace easel
