#include "tensor/kernels/stock.h"

namespace easel::kernels {

static bool stock = false;

bool uses_stock_operators() { return stock; }
void use_stock_operators(bool use) { stock = use; }

}  // namespace easel::kernels
