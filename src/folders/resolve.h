// The one resolver: every name from outside (file name, subfolder, user data, prefix) becomes a path here or is
// refused. Nothing is opened. Stateless; any thread.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace easel::folders {

enum class Verdict {
  kOk,
  kBadName,   // empty, NUL, backslash, not UTF-8, too long, an encoded trick: 400
  kOutside,   // absolute, "..", or a symlink that leads out of the root: 403
  kMissing,   // wanted a file, nothing there: 404
  kNotAFile,  // a directory, FIFO, device or socket where a regular file was wanted
};

struct Resolved {
  std::filesystem::path path;  // absolute (clean_name: relative); set only when the verdict is kOk
  Verdict verdict = Verdict::kOk;
  std::string reason;  // why not, fit for an error message
  explicit operator bool() const { return verdict == Verdict::kOk; }
};

enum class Want {
  kAny,   // the path need not exist; what exists of it must be inside the root
  kFile,  // an existing regular file
};

// The check of the words alone: a relative path without "..", or why not. Looks at no disk. For model names, whose
// folders may hold symlinks to elsewhere; everything else goes through resolve.
Resolved clean_name(std::string_view subfolder, std::string_view name);

// root / subfolder / name. Both may hold '/' between components; "." and empty components fall away. A name of "" with
// a subfolder means the subfolder itself (only with kAny).
Resolved resolve(const std::filesystem::path& root, std::string_view subfolder, std::string_view name,
                 Want want = Want::kAny);

// As resolve, but throws Error with the reason: "LoadImage: 'x': …" where `who` is "LoadImage".
std::filesystem::path must_resolve(std::string_view who, const std::filesystem::path& root, std::string_view subfolder,
                                   std::string_view name, Want want = Want::kFile);

// "x.png [output]" -> {"x.png", "output"}; a name without annotation -> {name, fallback}.
std::pair<std::string, std::string> split_annotation(std::string_view name, std::string_view fallback = "input");

// Names of the regular files directly in `directory`, sorted; hidden ones skipped; empty if it is absent.
std::vector<std::string> list_files(const std::filesystem::path& directory);

// Whether a file name is of a kind ("image", "video", "audio", "model", "latent"; "" takes all), by its extension as
// ComfyUI does for the choices of LoadImage and kin. What the file holds is media's business.
bool is_of_kind(std::string_view name, std::string_view kind);

}  // namespace easel::folders
