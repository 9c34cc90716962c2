// What all sampler nodes share: a MODEL made ready for the sampling room, and progress with previews.
#pragma once
#include "graph/context.h"
#include "nodes/ports.h"

namespace easel {

// An empty latent of another family fits every model: it is given the channels the model wants. Fails on one that holds
// a picture.
Tensor fitted_latent(const char* who, const Model& model, const Tensor& samples);

// Each call of the network is where an interrupt is heard within a step.
SampleModel sample_model(Context& context, const Model& model);

// Progress and preview after every step; *last_x0, if given, gets the newest estimate (in the network's scale).
SampleCallback report_steps(Context& context, const Model& model, Tensor* last_x0 = nullptr);

}  // namespace easel
