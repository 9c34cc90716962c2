// What kinds of diffusion model there are. The table is models/all.cpp: the first row whose sniff says yes wins.
#pragma once
#include "models/model.h"

namespace easel {

struct Architecture {
  std::string id;    // "sd15"
  std::string name;  // "Stable Diffusion 1.x"
  // Whether a file's diffusion model is of this kind; w: its weights, without any prefix.
  bool (*sniff)(const Weights& w) = nullptr;
  const LatentFormat* latent = nullptr;
  ModelSampling (*sampling)() = nullptr;
  // The network, from all of a Model's weights. Null: known, but not there yet.
  Network (*make)(const Weights& w, const Precision& precision) = nullptr;
};

const std::vector<Architecture>& architectures();

// The kind of a diffusion model, null if it is none that we know. w: its weights, without any prefix.
const Architecture* find_architecture(const Weights& w);

}  // namespace easel
