// What kinds of diffusion model there are. The table is models/all.cpp: the first row whose sniff says yes wins.
#pragma once
#include "models/model.h"

namespace easel {

struct Architecture {
  std::string id;    // "sd15"
  std::string name;  // "Stable Diffusion 1.x"
  // Whether a file's diffusion model is of this kind. w: its weights, without any prefix; file: all the file's tensors,
  // as some kinds are told by a mark beside the weights.
  bool (*sniff)(const Weights& w, const Weights& file) = nullptr;
  const LatentFormat* latent = nullptr;
  ModelSampling (*sampling)(const Weights& w, const Weights& file) = nullptr;
  // The network, from all of a Model's weights. Null: known, but not there yet.
  Network (*make)(const Weights& w, const Precision& precision) = nullptr;
  // What the network takes beside latent, time and text; null: nothing. w: all of the Model's weights.
  MakeInputs (*inputs)(const Weights& w, const ModelSampling& sampling) = nullptr;
};

const std::vector<Architecture>& architectures();

// The kind of a diffusion model, null if it is none that we know.
const Architecture* find_architecture(const Weights& w, const Weights& file);

}  // namespace easel
