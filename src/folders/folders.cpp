#include "folders/folders.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/log.h"
#include "folders/extra_paths.h"
#include "folders/index.h"
#include "folders/resolve.h"

namespace easel {
namespace fs = std::filesystem;
namespace {

const std::vector<std::string> kModelExtensions = {".ckpt", ".pt",          ".pt2", ".bin",
                                                   ".pth",  ".safetensors", ".pkl", ".sft"};

std::string current_name(const std::string& folder) {
  return folder == "unet" ? "diffusion_models" : folder == "clip" ? "text_encoders" : folder;
}

fs::path absolute_or(const fs::path& given, const fs::path& otherwise) {
  return fs::absolute(given.empty() ? otherwise : given).lexically_normal();
}

bool has_extension(const std::string& name, const std::vector<std::string>& extensions) {
  if (extensions.empty()) return true;
  std::string extension = fs::path(name).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

}  // namespace

struct Folders::Cache {
  folders::Index index;
  struct List {
    uint64_t generation;
    std::vector<std::string> names;
  };
  std::mutex lock;
  std::map<std::string, List> lists;  // by folder
};

Folders::Folders(const FolderOptions& options) : cache_(std::make_unique<Cache>()) {
  base_ = absolute_or(options.base, fs::current_path());
  input_ = absolute_or(options.input, base_ / "input");
  output_ = absolute_or(options.output, base_ / "output");
  user_ = absolute_or(options.user, base_ / "user");
  temp_ = (options.temp.empty() ? base_ : fs::absolute(options.temp)).lexically_normal() / "temp";

  for (const char* same : {"checkpoints", "configs", "loras", "vae"}) {
    add_folder(same, {same},
               same == std::string_view("configs") ? std::vector<std::string>{".yaml"} : kModelExtensions);
  }
  add_folder("text_encoders", {"text_encoders", "clip"}, kModelExtensions);
  add_folder("diffusion_models", {"unet", "diffusion_models"}, kModelExtensions);
  for (const char* same : {"clip_vision", "style_models", "embeddings"}) add_folder(same, {same}, kModelExtensions);
  add_folder("diffusers", {"diffusers"}, {"folder"});
  add_folder("vae_approx", {"vae_approx"}, kModelExtensions);
  add_folder("controlnet", {"controlnet", "t2i_adapter"}, kModelExtensions);
  for (const char* same : {"gligen", "upscale_models"}) add_folder(same, {same}, kModelExtensions);
  add_root("custom_nodes", base_ / "custom_nodes");
  for (const char* same : {"hypernetworks", "photomaker"}) add_folder(same, {same}, kModelExtensions);
  add_folder("classifiers", {"classifiers"}, {""});
  for (const char* same : {"model_patches", "audio_encoders"}) add_folder(same, {same}, kModelExtensions);

  std::error_code error;
  if (const fs::path own = base_ / "extra_model_paths.yaml"; fs::exists(own, error)) read_extra_paths(own);
  for (const fs::path& yaml : options.extra_model_paths) read_extra_paths(fs::absolute(yaml));
  for (const char* saved : {"checkpoints", "clip", "vae", "diffusion_models", "loras"})
    add_root(saved, output_ / saved);
}

Folders::~Folders() = default;

void Folders::add_folder(const std::string& name, std::vector<std::string> directories,
                         std::vector<std::string> extensions) {
  for (const std::string& directory : directories) add_root(name, base_ / "models" / directory);
  folders_[name].extensions = std::move(extensions);
}

void Folders::add_root(const std::string& folder, const fs::path& root, bool first) {
  const std::string name = current_name(folder);
  const auto [place, is_new] = folders_.try_emplace(name);
  if (is_new) order_.push_back(name);
  auto& roots = place->second.roots;
  const auto known = std::find(roots.begin(), roots.end(), root);
  if (known != roots.end()) {
    if (first) std::rotate(roots.begin(), known, known + 1);
  } else {
    roots.insert(first ? roots.begin() : roots.end(), root);
    cache_->index.add(root);
  }
}

void Folders::read_extra_paths(const fs::path& yaml) {
  for (const folders::ExtraPath& extra : folders::read_extra_paths(yaml)) {
    log::info("Adding extra search path {} {}", extra.folder, extra.path.string());
    add_root(extra.folder, extra.path, extra.is_default);
  }
}

const fs::path* Folders::directory(std::string_view type) const {
  return type == "input" ? &input_ : type == "output" ? &output_ : type == "temp" ? &temp_ : nullptr;
}

std::vector<std::string> Folders::folder_names() const { return order_; }

const Folders::ModelFolder* Folders::model_folder(const std::string& folder) const {
  const auto found = folders_.find(current_name(folder));
  return found == folders_.end() ? nullptr : &found->second;
}

bool Folders::has(const std::string& folder) const { return model_folder(folder) != nullptr; }

const std::vector<fs::path>& Folders::model_roots(const std::string& folder) const {
  static const std::vector<fs::path> kNone;
  const ModelFolder* known = model_folder(folder);
  return known ? known->roots : kNone;
}

const std::vector<std::string>& Folders::extensions(const std::string& folder) const {
  static const std::vector<std::string> kNone;
  const ModelFolder* known = model_folder(folder);
  return known ? known->extensions : kNone;
}

std::vector<std::string> Folders::list(const std::string& folder) const {
  const ModelFolder* known = model_folder(folder);
  if (!known) return {};
  cache_->index.settle();
  const uint64_t generation = cache_->index.generation();
  const std::lock_guard guard(cache_->lock);
  Cache::List& list = cache_->lists.try_emplace(current_name(folder), Cache::List{UINT64_MAX, {}}).first->second;
  if (list.generation == generation) return list.names;
  list = {generation, {}};
  for (const fs::path& root : known->roots) {
    const auto listing = cache_->index.files(root);
    for (const std::string& file : listing ? listing->files : std::vector<std::string>())
      if (has_extension(file, known->extensions)) list.names.push_back(file);
  }
  std::sort(list.names.begin(), list.names.end());
  list.names.erase(std::unique(list.names.begin(), list.names.end()), list.names.end());
  return list.names;
}

std::optional<fs::path> Folders::find(const std::string& folder, const std::string& name) const {
  const folders::Resolved words = folders::clean_name("", name);
  if (!words || words.path.empty()) return std::nullopt;
  for (const fs::path& root : model_roots(folder)) {
    std::error_code error;
    if (fs::path path = root / words.path; fs::is_regular_file(path, error)) return path;
  }
  return std::nullopt;
}

fs::path Folders::at(const std::string& folder, const std::string& name) const {
  if (auto path = find(folder, name)) return *path;
  std::string places;
  for (const fs::path& root : model_roots(folder)) places += (places.empty() ? "" : ", ") + root.string();
  fail("Folders::at: no file '{}' in the model folder '{}' (searched: {}); perhaps it was moved or not yet downloaded",
       name, folder, places.empty() ? "nowhere, the folder is unknown" : places);
}

}  // namespace easel
