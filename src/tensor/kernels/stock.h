// libtorch's own operators in place of ours, to compare with: what another program on libtorch computes.
#pragma once

namespace easel::kernels {

bool uses_stock_operators();
// For what is packed and computed from here on. Not to be changed while operators run.
void use_stock_operators(bool use);

}  // namespace easel::kernels
