// How much memory there is for the taking.
#pragma once
#include <cstdint>

namespace easel {

// Bytes that the machine, or the container's limit, still has; 0 where neither says.
int64_t memory_left();

}  // namespace easel
