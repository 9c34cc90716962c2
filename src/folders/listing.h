// The files below a directory, remembered together with the directory times they were read at.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace easel::folders {

struct Listing {
  std::vector<std::string> files;                                      // relative to the root, in no order
  std::vector<std::pair<std::filesystem::path, int64_t>> directories;  // and their modification times, ns; -1: absent

  // False once any directory has changed since (or may have, within the clock's grain).
  bool is_current() const;
};

// Told of each directory just before it is read, the absent root among them.
using Enter = std::function<void(const std::filesystem::path& directory)>;

// Walks `root`, following symlinks, never into itself; skips hidden files and folders. At most 200,000 files.
Listing walk(const std::filesystem::path& root, const Enter& enter = {});

// The tiny autoencoders ("taesd", "taesdxl", "taesd3", "taef1") of which vae_approx holds both halves: choices of a VAE
// beside the files.
std::vector<std::string> tiny_vaes(const std::vector<std::string>& vae_approx);

}  // namespace easel::folders
