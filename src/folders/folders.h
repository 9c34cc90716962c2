// Where files live: model search paths (ComfyUI's folder_paths, reference/api.md §7) and the input, output, temp and
// user roots. Built once at start and then shared; every const member may be called from any thread.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace easel {

struct FolderOptions {
  std::filesystem::path base;                 // --base-directory; holds models/, input/, output/, temp/, user/
  std::filesystem::path input, output, user;  // empty: base / their name
  std::filesystem::path temp;                 // --temp-directory X means X/temp; empty: base/temp
  std::vector<std::filesystem::path>
      extra_model_paths;  // YAML files; base/extra_model_paths.yaml is read if it is there
};

class Folders {
 public:
  // Throws Error for a YAML file that is missing or malformed. Creates nothing.
  explicit Folders(const FolderOptions& options);
  ~Folders();

  const std::filesystem::path& base() const { return base_; }
  const std::filesystem::path& input() const { return input_; }
  const std::filesystem::path& output() const { return output_; }
  const std::filesystem::path& temp() const { return temp_; }
  const std::filesystem::path& user() const { return user_; }
  // The root called "input", "output" or "temp"; null for any other word.
  const std::filesystem::path* directory(std::string_view type) const;

  // Model folders in registration order (the order of GET /models).
  std::vector<std::string> folder_names() const;
  bool has(const std::string& folder) const;  // legacy names ("unet", "clip") too
  // Search directories, first wins; empty for an unknown folder. They need not exist.
  const std::vector<std::filesystem::path>& model_roots(const std::string& folder) const;
  // Extensions with their dot, in lower case; empty: every file ("folder", for diffusers, matches none).
  const std::vector<std::string>& extensions(const std::string& folder) const;

  // Relative paths ("sub/x.safetensors") of all the folder's files, sorted, each once. Follows symlinks, skips .git and
  // hidden files. From an index that follows the disk; of a disk that does not answer within a second or two, what was
  // known last. Empty for an unknown folder.
  std::vector<std::string> list(const std::string& folder) const;
  // The first root that has `name` (a relative path as list() gives it). Nothing for a name that leaves its root, is
  // absent, or is no regular file. A symlink may point elsewhere: only the operator can create one here.
  std::optional<std::filesystem::path> find(const std::string& folder, const std::string& name) const;
  // As find, but throws Error naming the folder, the file and the places searched.
  std::filesystem::path at(const std::string& folder, const std::string& name) const;

  // Another search directory; creates the folder (without extension filter) if it is new. first: searched before the
  // rest.
  void add_root(const std::string& folder, const std::filesystem::path& root, bool first = false);

 private:
  struct ModelFolder {
    std::vector<std::filesystem::path> roots;
    std::vector<std::string> extensions;
  };
  struct Cache;  // the index, and the lists made of it, behind their own locks

  const ModelFolder* model_folder(const std::string& folder) const;
  void add_folder(const std::string& name, std::vector<std::string> directories, std::vector<std::string> extensions);
  void read_extra_paths(const std::filesystem::path& yaml);

  std::filesystem::path base_, input_, output_, temp_, user_;
  std::vector<std::string> order_;
  std::map<std::string, ModelFolder> folders_;
  std::unique_ptr<Cache> cache_;
};

}  // namespace easel
