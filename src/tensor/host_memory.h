// Large tensors on the CPU in memory that was used before: a fresh page costs the kernel 2 us and more on a virtual
// machine, which for a VAE's activations is as long as the arithmetic.
#pragma once
#include <cstddef>

namespace easel {

// From here on blocks of a megabyte and more that tensors give back are kept, up to `keep` bytes in all, and handed out
// again; new ones are asked for in huge pages. To be called once, before tensors are made; any thread may allocate.
void recycle_host_memory(std::size_t keep = std::size_t{512} << 20);

// Gives what is kept back to the system; returns how many bytes that were.
std::size_t empty_host_memory();

}  // namespace easel
