// The one resolver: whatever names come, nothing outside of its folder. The input is a subfolder and a name, with a NUL
// between them if there is one.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "folders/resolve.h"
#include "server/http.h"

namespace fs = std::filesystem;
using namespace easel;

namespace {

// With all that could mislead: links out, in, in a circle and to nowhere, a folder, a file.
const fs::path& root() {
  static const struct Made {
    fs::path path = fs::canonical(fs::temp_directory_path()) / ("easel_names_" + std::to_string(getpid()));
    Made() {
      fs::create_directories(path / "root/a/b");
      std::ofstream(path / "secret") << "secret";
      std::ofstream(path / "root/a/x") << "x";
      fs::create_symlink(path / "secret", path / "root/out");
      fs::create_directory_symlink("/", path / "root/up");
      fs::create_directory_symlink("a", path / "root/in");
      fs::create_symlink("loop", path / "root/loop");
      fs::create_symlink(path / "nowhere", path / "root/a/none");
    }
    ~Made() { fs::remove_all(path); }
  } made;
  static const fs::path inside = made.path / "root";
  return inside;
}

void check(const folders::Resolved& found, bool file) {
  if (!found) {
    if (found.reason.empty() || !found.path.empty()) std::abort();
    return;
  }
  const std::string prefix = root().string(), path = found.path.string();
  if (path != prefix && !path.starts_with(prefix + "/")) std::abort();
  std::error_code error;
  const std::string real = fs::weakly_canonical(found.path, error).string();
  if (!error && real != prefix && !real.starts_with(prefix + "/")) std::abort();
  if (file && !fs::is_regular_file(found.path)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t middle = std::min(text.find('\0'), text.size());
  const std::string_view subfolder = middle < size ? text.substr(0, middle) : "",
                         name = middle < size ? text.substr(middle + 1) : text;
  for (const folders::Want want : {folders::Want::kAny, folders::Want::kFile}) {
    check(folders::resolve(root(), subfolder, name, want), want == folders::Want::kFile);
    check(folders::resolve(root(), "", server::percent_decode(name), want), want == folders::Want::kFile);
  }
  const auto [bare, type] = folders::split_annotation(name);
  check(folders::resolve(root(), subfolder, bare), false);
  if (const auto clean = folders::clean_name(subfolder, name); clean && clean.path.is_absolute()) std::abort();
  return 0;
}
