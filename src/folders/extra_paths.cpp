#include "folders/extra_paths.h"

#include <pwd.h>
#include <yaml-cpp/yaml.h>

#include <cctype>
#include <cstdlib>
#include <sstream>

#include "base/error.h"

namespace easel::folders {
namespace fs = std::filesystem;
namespace {

std::string expand_home(const std::string& path) {
  if (!path.starts_with('~')) return path;
  const size_t end = std::min(path.find('/'), path.size());
  const std::string user = path.substr(1, end - 1);
  const char* home = user.empty() ? std::getenv("HOME") : nullptr;
  if (!home) {
    const passwd* entry = user.empty() ? getpwuid(getuid()) : getpwnam(user.c_str());
    home = entry ? entry->pw_dir : nullptr;
  }
  return home ? home + path.substr(end) : path;
}

std::string expand_variables(const std::string& path) {
  std::string out;
  for (size_t i = 0; i < path.size();) {
    const bool braced = path.compare(i, 2, "${") == 0;
    size_t begin = i + (braced ? 2 : 1), end = begin;
    if (path[i] == '$') {
      while (end < path.size() && (std::isalnum(static_cast<unsigned char>(path[end])) || path[end] == '_')) ++end;
    }
    const bool closed = end > begin && (!braced || (end < path.size() && path[end] == '}'));
    const char* value = closed ? std::getenv(path.substr(begin, end - begin).c_str()) : nullptr;
    if (value) {
      out += value;
      i = end + (braced ? 1 : 0);
    } else {
      out += path[i++];
    }
  }
  return out;
}

std::string trimmed(const std::string& line) {
  const size_t begin = line.find_first_not_of(" \t\r");
  return begin == line.npos ? "" : line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

fs::path from(const fs::path& directory, const std::string& path) {
  const fs::path joined = (directory / path).lexically_normal();  // an absolute path replaces the directory
  return joined.has_filename() ? joined : joined.parent_path();   // no slash at the end
}

void read_group(const fs::path& yaml, const std::string& group, const YAML::Node& keys, std::vector<ExtraPath>& out) {
  if (keys.IsNull()) return;
  if (!keys.IsMap())
    fail("extra_model_paths: '{}': group '{}' is no mapping of folder names to paths", yaml.string(), group);
  fs::path base = yaml.parent_path();
  bool is_default = false;
  for (const auto& entry : keys) {
    const auto key = entry.first.as<std::string>();
    if (key == "base_path") base = from(base, expand(entry.second.as<std::string>()));
    if (key == "is_default") is_default = entry.second.as<bool>();
  }
  for (const auto& entry : keys) {
    const auto key = entry.first.as<std::string>();
    if (key == "base_path" || key == "is_default" || entry.second.IsNull()) continue;
    if (!entry.second.IsScalar())
      fail("extra_model_paths: '{}': '{}.{}' is no text of one path a line", yaml.string(), group, key);
    std::istringstream lines(entry.second.as<std::string>());
    for (std::string line; std::getline(lines, line);) {
      line = trimmed(line);
      if (!line.empty()) out.push_back({key, from(base, expand(line)), is_default});
    }
  }
}

}  // namespace

std::string expand(const std::string& path) { return expand_variables(expand_home(path)); }

std::vector<ExtraPath> read_extra_paths(const fs::path& yaml) {
  std::vector<ExtraPath> out;
  try {
    const YAML::Node root = YAML::LoadFile(yaml.string());
    if (root.IsNull()) return out;
    if (!root.IsMap()) fail("extra_model_paths: '{}' is no mapping of groups", yaml.string());
    for (const auto& group : root) read_group(yaml, group.first.as<std::string>(), group.second, out);
  } catch (const YAML::BadFile&) {
    fail("extra_model_paths: cannot read '{}'; perhaps the path is wrong", yaml.string());
  } catch (const YAML::Exception& error) {
    fail("extra_model_paths: '{}' is no valid YAML: {}", yaml.string(), error.what());
  }
  return out;
}

}  // namespace easel::folders
