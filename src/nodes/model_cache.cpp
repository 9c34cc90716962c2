#include "nodes/model_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

namespace easel {
namespace {

uint64_t kept_bytes() {
  constexpr uint64_t kShare = 4;  // of the machine's memory: converted weights may take twice what the files do
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE)) / kShare;
}

void release(const Model& model) { model.weights().release(); }
void release(const Clip& clip) { clip.weights().release(); }
void release(const Vae& vae) { vae.weights().release(); }
void release(const ControlNet&) {}  // goes with its last user
void release(const Gligen&) {}
void release(const UpscaleModel&) {}  // likewise
void release(const Lora& lora) { lora.weights.release(); }
void release(const Checkpoint& checkpoint) {
  if (checkpoint.model) release(*checkpoint.model);
  if (checkpoint.clip) release(*checkpoint.clip);
  if (checkpoint.vae) release(*checkpoint.vae);
}

}  // namespace

ModelCache::ModelCache(LoadOptions options) : options_(std::move(options)) {}

template <class T>
T ModelCache::get(const std::string& kind, const std::vector<std::string>& paths, const std::function<T()>& load) {
  std::string key = kind;
  uint64_t bytes = 0;
  for (const std::string& path : paths) {
    std::error_code missing;  // the loader says it better
    const uint64_t size = std::filesystem::file_size(path, missing);
    const auto changed = std::filesystem::last_write_time(path, missing).time_since_epoch().count();
    if (!missing) bytes += size;
    key += fmt::format("\n{}\n{}\n{}", path, size, changed);
  }
  std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->key != key) continue;
    entries_.splice(entries_.begin(), entries_, entry);
    return *static_cast<const T*>(entry->value.get());
  }
  auto value = std::make_shared<const T>(load());
  entries_.push_front({key, bytes, value, [value] { release(*value); }});
  trim();
  return *value;
}

void ModelCache::trim() {
  uint64_t total = 0;
  auto entry = entries_.begin();
  for (; entry != entries_.end(); ++entry) {
    total += entry->bytes;
    if (entry != entries_.begin() && total > kept_bytes()) break;
  }
  entries_.erase(entry, entries_.end());
}

Checkpoint ModelCache::checkpoint(const std::string& path) {
  return get<Checkpoint>("checkpoint", {path}, [&] { return load_checkpoint(path, options_); });
}

Model ModelCache::diffusion_model(const std::string& path, const std::string& weight_dtype) {
  return get<Model>("diffusion model " + weight_dtype, {path},
                    [&] { return load_diffusion_model(path, weight_dtype, options_); });
}

Clip ModelCache::clip(const std::vector<std::string>& paths, const std::string& type) {
  return get<Clip>("text encoder " + type, paths, [&] { return load_clip(paths, type, options_); });
}

Vae ModelCache::vae(const std::string& path) {
  return get<Vae>("vae", {path}, [&] { return load_vae(path, options_); });
}

Vae ModelCache::taesd(const std::string& kind, const std::string& encoder_path, const std::string& decoder_path) {
  return get<Vae>(kind, {encoder_path, decoder_path},
                  [&] { return load_taesd(kind, encoder_path, decoder_path, options_); });
}

ControlNet ModelCache::control_net(const std::string& path) {
  return get<ControlNet>("control network", {path}, [&] { return load_control_net(path, options_.precision); });
}

UpscaleModel ModelCache::upscale_model(const std::string& path) {
  return get<UpscaleModel>("upscale model", {path}, [&] { return load_upscale_model(path); });
}

Gligen ModelCache::gligen(const std::string& path) {
  return get<Gligen>("gligen", {path}, [&] { return load_gligen(path, options_.precision); });
}

Lora ModelCache::lora(const std::string& path) {
  return get<Lora>("lora", {path}, [&] { return load_lora(path); });
}

void ModelCache::unload() {
  std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) entry.release();
  entries_.clear();
}

}  // namespace easel
