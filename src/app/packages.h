// The packages that the official page is made of, as they are installed: each frontend version, the workflow templates
// and the nodes' documentation. They lie under share/easel beside the program, in the source tree's .deps, in what
// ComfyUI itself fetched (web_custom_versions/), or among Python's packages. Nothing is ever downloaded.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "app/flags.h"

namespace easel::app {

struct Frontend {
  std::string version;  // "1.27.10"; empty for a folder that was named and does not tell
  std::filesystem::path root;
};

struct Packages {
  std::vector<Frontend> frontends;  // the newest first, each version once
  std::vector<std::filesystem::path> templates, docs;
};

// base: --base-directory, below which ComfyUI keeps fetched frontends.
Packages find_packages(const std::filesystem::path& base);

// --front-end-root, EASEL_FRONTEND, --front-end-version owner/repo@version, or the default. Throws Error naming what is
// installed when the version that was asked for is not.
Frontend choose_frontend(const Flags& flags, const std::vector<Frontend>& installed);

// The part of the above that reads the flag's text: "comfyanonymous/ComfyUI@latest" is the default version,
// "Comfy-Org/ComfyUI_frontend@latest" the newest installed, "…@1.27.10" (or "…@v1.27.10") that one.
Frontend frontend_of_version(const std::string& text, const std::vector<Frontend>& installed);

}  // namespace easel::app
