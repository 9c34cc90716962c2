#include "app/packages.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "app/program.h"
#include "base/error.h"
#include "server/version.h"

namespace easel::app {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kOfficial = "Comfy-Org/ComfyUI_frontend";

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    found.push_back(entry->path());
  std::ranges::sort(found);
  return found;
}

// "1.27.10" -> {1, 27, 10}, for comparing.
std::vector<int> numbers(std::string_view version) {
  std::vector<int> parts;
  while (!version.empty()) {
    int part = 0;
    const auto [end, error] = std::from_chars(version.data(), version.data() + version.size(), part);
    parts.push_back(error == std::errc() ? part : -1);
    const size_t dot = version.find('.');
    version.remove_prefix(dot == std::string_view::npos ? version.size() : dot + 1);
  }
  return parts;
}

void add_frontend(Packages& packages, const std::string& version, const fs::path& root) {
  std::error_code error;
  const bool known =
      std::ranges::any_of(packages.frontends, [&](const Frontend& have) { return have.version == version; });
  if (!known && fs::is_regular_file(root / "index.html", error)) packages.frontends.push_back({version, root});
}

void add_folder(std::vector<fs::path>& list, const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error) && std::ranges::find(list, folder) == list.end()) list.push_back(folder);
}

// Python's packages: the module's folder, and beside it NAME-VERSION.dist-info.
void add_python_packages(Packages& packages, const fs::path& site) {
  for (const fs::path& entry : entries(site)) {
    const std::string name = entry.filename().string();
    constexpr std::string_view kFrontend = "comfyui_frontend_package-", kInfo = ".dist-info";
    if (name.starts_with(kFrontend) && name.ends_with(kInfo))
      add_frontend(packages, name.substr(kFrontend.size(), name.size() - kFrontend.size() - kInfo.size()),
                   site / "comfyui_frontend_package/static");
    if (name.starts_with("comfyui_workflow_templates")) add_folder(packages.templates, entry / "templates");
    if (name == "comfyui_embedded_docs") add_folder(packages.docs, entry / "docs");
  }
}

std::vector<fs::path> python_sites() {
  std::vector<fs::path> sites;
  const auto add_versions = [&](const fs::path& lib, const char* name) {
    for (const fs::path& python : entries(lib))
      if (python.filename().string().starts_with("python3")) add_folder(sites, python / name);
  };
  if (const char* environment = std::getenv("VIRTUAL_ENV"); environment && *environment)
    add_versions(fs::path(environment) / "lib", "site-packages");
  if (const char* home = std::getenv("HOME"); home && *home)
    add_versions(fs::path(home) / ".local/lib", "site-packages");
  add_versions("/usr/local/lib", "dist-packages");
  return sites;
}

std::string list_of(const std::vector<Frontend>& installed) {
  std::string names;
  for (const Frontend& frontend : installed) names += (names.empty() ? "" : ", ") + frontend.version;
  return names.empty() ? "none; `make deps` fetches the pinned ones" : names;
}

const Frontend* find_version(const std::vector<Frontend>& installed, std::string_view version) {
  const auto found = std::ranges::find(installed, version, &Frontend::version);
  return found == installed.end() ? nullptr : &*found;
}

}  // namespace

Packages find_packages(const fs::path& base) {
  Packages packages;
  for (const fs::path& where : {(program_folder() / "../share/easel").lexically_normal(), fs::path(EASEL_DEPS)}) {
    for (const fs::path& version : entries(where / "frontends"))
      add_frontend(packages, version.filename().string(), version);
    add_folder(packages.templates, where / "templates");
    add_folder(packages.docs, where / "docs");
  }
  for (const fs::path& version : entries(base / "web_custom_versions/Comfy-Org_ComfyUI_frontend"))
    add_frontend(packages, version.filename().string(), version);
  for (const fs::path& site : python_sites()) add_python_packages(packages, site);
  std::ranges::stable_sort(packages.frontends, std::greater{},
                           [](const Frontend& frontend) { return numbers(frontend.version); });
  return packages;
}

Frontend frontend_of_version(const std::string& text, const std::vector<Frontend>& installed) {
  const size_t at = text.find('@'), slash = text.find('/');
  if (at == std::string::npos || slash == std::string::npos || slash == 0 || slash + 1 >= at || at + 1 == text.size())
    fail("--front-end-version: '{}' came, owner/repo@version was wanted, as in {}@{}", text, kOfficial,
         server::kFrontendVersion);
  const std::string repository = text.substr(0, at);
  std::string version = text.substr(at + 1);
  const bool is_default = repository == "comfyanonymous/ComfyUI" && version == "latest";
  if (repository != kOfficial && !is_default)
    fail(
        "--front-end-version: '{}' is not installed; only {} is known here ({}). Another page's folder can be given by "
        "--front-end-root",
        text, kOfficial, list_of(installed));
  if (version.starts_with('v')) version.erase(0, 1);
  const Frontend* found = is_default ? find_version(installed, server::kFrontendVersion)
                          : version == "latest" || version == "prerelease"
                              ? (installed.empty() ? nullptr : &installed[0])
                              : find_version(installed, version);
  if (!found && is_default && !installed.empty()) found = &installed[0];
  if (found) return *found;
  fail("--front-end-version: '{}' is not installed, and nothing is downloaded; installed: {}", text,
       list_of(installed));
}

Frontend choose_frontend(const Flags& flags, const std::vector<Frontend>& installed) {
  const auto named = [&](const fs::path& root) {
    const auto same = std::ranges::find(installed, root, &Frontend::root);
    return Frontend{same == installed.end() ? "" : same->version, root};
  };
  if (flags.has("--front-end-root")) {
    const fs::path root = fs::absolute(flags.value("--front-end-root")).lexically_normal();
    if (!fs::is_directory(root)) fail("--front-end-root: '{}' is no folder", root.string());
    return named(root);
  }
  if (const char* root = std::getenv("EASEL_FRONTEND"); root && *root) return named(fs::absolute(root));
  const std::string version = flags.value("--front-end-version");
  if (version.empty() && installed.empty())  // the server runs without a page, and says so there
    return {"", fs::path(EASEL_DEPS) / "frontends" / server::kFrontendVersion};
  return frontend_of_version(version.empty() ? "comfyanonymous/ComfyUI@latest" : version, installed);
}

}  // namespace easel::app
