// Memory asked for before it is taken: a graph that wants more than the machine has gets an error, not the OOM killer.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace easel {

// Fails ("EmptyImage: 12.9 TB wanted for [4096, 16384, 16384, 3], 20.1 GB are free; …") unless a float32 tensor of that
// shape fits into what the machine, or the container's limit, has left.
void require_memory(const std::string& who, const std::vector<int64_t>& shape);

}  // namespace easel
