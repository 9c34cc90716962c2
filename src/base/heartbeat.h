// Signs of life of whatever computes: a counter, bumped at each step, layer or chunk of a file. Somebody who watches it
// can tell work that takes long from work that is stuck.
#pragma once
#include <atomic>
#include <cstdint>

namespace easel {

inline std::atomic<uint64_t>& heartbeats() {
  static std::atomic<uint64_t> count{0};
  return count;
}
inline void beat() { heartbeats().fetch_add(1, std::memory_order_relaxed); }

}  // namespace easel
