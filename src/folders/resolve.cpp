#include "folders/resolve.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/utf8.h"

namespace easel::folders {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxName = 4000, kMaxComponent = 255;

Resolved refuse(Verdict verdict, std::string reason) { return {{}, verdict, std::move(reason)}; }

std::vector<std::string_view> components_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.push_back(part);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

std::string percent_decoded(std::string_view text) {
  const auto hex = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// "%2e%2e%2f", "%252e": harmless as the name of a file here, but some later reader may decode it once more.
bool hides_a_path(std::string_view component) {
  std::string text(component);
  for (int round = 0; round < 4; ++round) {
    std::string decoded = percent_decoded(text);
    if (decoded == text) return false;
    if (decoded == ".." || decoded.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) return true;
    text = std::move(decoded);
  }
  return true;
}

bool is_inside(const fs::path& root, const fs::path& path) {
  const auto [end, unused] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return end == root.end();
}

// realpath() of what exists; the empty path for a dangling or looping link.
fs::path real_path(const fs::path& path) {
  std::error_code error;
  fs::path real = fs::canonical(path, error);
  return error ? fs::path() : real;
}

}  // namespace

Resolved clean_name(std::string_view subfolder, std::string_view name) {
  fs::path relative;
  for (std::string_view text : {subfolder, name}) {
    if (text.size() > kMaxName) return refuse(Verdict::kBadName, "the name is too long");
    if (text.find('\0') != text.npos) return refuse(Verdict::kBadName, "the name holds a NUL byte");
    if (text.find('\\') != text.npos)
      return refuse(Verdict::kBadName, "the name holds a backslash; folders are parted by '/'");
    if (!is_utf8(text)) return refuse(Verdict::kBadName, "the name is not UTF-8");
    if (text.starts_with('/')) return refuse(Verdict::kOutside, "the name is an absolute path");
    for (std::string_view part : components_of(text)) {
      if (part == "..") return refuse(Verdict::kOutside, "the name leads out of its folder");
      if (part.size() > kMaxComponent) return refuse(Verdict::kBadName, "the name is too long");
      if (hides_a_path(part)) return refuse(Verdict::kBadName, "the name hides a path behind percent signs");
      relative /= part;
    }
  }
  return {relative, Verdict::kOk, {}};
}

Resolved resolve(const fs::path& root, std::string_view subfolder, std::string_view name, Want want) {
  const Resolved words = clean_name(subfolder, name);
  if (!words) return words;
  if (words.path.empty() && (want == Want::kFile || subfolder.empty()))
    return refuse(Verdict::kBadName, "the name is empty");

  if (root.empty()) return refuse(Verdict::kMissing, "there is no such folder");  // and never the current one
  std::error_code error;
  const fs::path real_root = fs::weakly_canonical(root, error);
  if (error) return refuse(Verdict::kMissing, "its folder cannot be read");
  fs::path path = real_root;
  bool exists = true;
  for (auto part = words.path.begin(); part != words.path.end(); ++part) {
    path /= *part;
    struct stat info;
    if (!exists) continue;
    if (lstat(path.c_str(), &info) != 0) {
      exists = false;
      continue;
    }
    if (S_ISLNK(info.st_mode)) {
      path = real_path(path);
      if (path.empty() || !is_inside(real_root, path))
        return refuse(Verdict::kOutside, "a symbolic link leads out of its folder");
    }
    const bool last = std::next(part) == words.path.end();
    if (!last && !fs::is_directory(path, error)) return refuse(Verdict::kMissing, "a part of the name is no folder");
  }
  if (want == Want::kFile) {
    if (!exists) return refuse(Verdict::kMissing, "there is no such file");
    if (!fs::is_regular_file(path, error)) return refuse(Verdict::kNotAFile, "it is no regular file");
  }
  return {path, Verdict::kOk, {}};
}

fs::path must_resolve(std::string_view who, const fs::path& root, std::string_view subfolder, std::string_view name,
                      Want want) {
  Resolved found = resolve(root, subfolder, name, want);
  if (!found) fail("{}: '{}' in '{}': {}", who, is_utf8(name) ? name : "?", root.string(), found.reason);
  return found.path;
}

std::pair<std::string, std::string> split_annotation(std::string_view name, std::string_view fallback) {
  for (std::string_view type : {"output", "input", "temp"}) {
    const std::string mark = "[" + std::string(type) + "]";
    if (!name.ends_with(mark)) continue;
    name.remove_suffix(mark.size());
    if (name.ends_with(' ')) name.remove_suffix(1);
    return {std::string(name), std::string(type)};
  }
  return {std::string(name), std::string(fallback)};
}

std::vector<std::string> list_files(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    std::string name = entry->path().filename().string();
    std::error_code unreadable;
    if (!name.starts_with('.') && is_utf8(name) && entry->is_regular_file(unreadable)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool is_of_kind(std::string_view name, std::string_view kind) {
  if (kind.empty()) return true;
  struct Kind {
    std::string_view name;
    std::string_view extensions;  // each between spaces
  };
  static constexpr std::array<Kind, 5> kKinds = {{
      {"image", " png jpg jpeg jpe webp gif bmp tif tiff avif heic heif ico svg pnm pbm pgm ppm xbm xpm ras rgb "},
      {"video", " mp4 mov qt webm avi mkv mpg mpeg m1v mpe m4v movie "},
      {"audio", " mp3 wav flac ogg opus aac m4a mp2 aif aiff aifc au snd adts 3gp ra "},
      {"model", " glb gltf obj stl fbx ply "},
      {"latent", " latent "},
  }};
  const size_t dot = name.rfind('.');
  if (dot == name.npos) return false;
  std::string extension(name.substr(dot + 1));
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  const auto* known = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& k) { return k.name == kind; });
  return known != kKinds.end() && known->extensions.find(" " + extension + " ") != std::string_view::npos;
}

}  // namespace easel::folders
