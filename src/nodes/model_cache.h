// Loaded model files, shared between prompts: the same file with the same options is read once. The newest stay, as
// long as their files together are small against the machine's memory. Thread-safe.
#pragma once
#include <list>
#include <mutex>
#include <string>
#include <vector>

#include "models/checkpoint.h"
#include "models/control/control_model.h"
#include "models/control/gligen.h"
#include "models/upscale/upscale_model.h"

namespace easel {

class ModelCache {
 public:
  explicit ModelCache(LoadOptions options);

  // A file that has changed (modification time, size) is loaded anew. Errors are those of the loaders.
  Checkpoint checkpoint(const std::string& path);
  Model diffusion_model(const std::string& path, const std::string& weight_dtype);
  Clip clip(const std::vector<std::string>& paths, const std::string& type);
  Vae vae(const std::string& path);
  Vae taesd(const std::string& kind, const std::string& encoder_path, const std::string& decoder_path);
  Lora lora(const std::string& path);
  ControlNet control_net(const std::string& path);
  UpscaleModel upscale_model(const std::string& path);
  Gligen gligen(const std::string& path);

  // Lets go of everything: converted weights too, where somebody else still holds the model.
  void unload();

 private:
  struct Entry {
    std::string key;
    uint64_t bytes = 0;
    std::shared_ptr<const void> value;
    std::function<void()> release;
  };

  template <class T>
  T get(const std::string& kind, const std::vector<std::string>& paths, const std::function<T()>& load);
  void trim();

  const LoadOptions options_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // newest first
};

}  // namespace easel
