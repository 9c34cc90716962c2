// T2I-Adapter (Mou et al. 2023): a small convolutional network from a picture of hints to features of the U-Net's
// levels. Full, light and XL ones, also as part of a CoAdapter.
#pragma once
#include "formats/tensor_file.h"
#include "models/control/control_model.h"

namespace easel {

// Null where the file is no T2I-Adapter.
std::shared_ptr<const ControlModel> make_t2i_adapter(const TensorFilePtr& file, const Precision& precision);

}  // namespace easel
