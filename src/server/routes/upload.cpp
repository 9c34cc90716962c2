// POST /upload/image and /upload/mask.
#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "base/log.h"
#include "folders/output.h"
#include "folders/resolve.h"
#include "graph/prompt.h"
#include "media/picture.h"
#include "server/multipart.h"
#include "server/routes/routes.h"
#include "server/users.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxCopies = 10'000;

// Where an upload goes, after every name in it has passed the resolver.
struct Target {
  fs::path folder;
  std::string name, subfolder, type;
  bool overwrite = false;
};

Target read_target(const std::vector<Part>& parts, const Folders& folders) {
  const Part* image = find_part(parts, "image");
  if (!image || !image->filename || image->filename->empty()) throw HttpError(400, "400: no file named 'image' came");
  Target target;
  target.name = fs::path(*image->filename).filename().string();
  if (target.name.empty() || target.name == "." || target.name == "..") throw HttpError(400, "400: no file name");
  target.subfolder = field(parts, "subfolder");
  target.type = field(parts, "type");
  if (target.type.empty()) target.type = "input";
  const std::string overwrite = field(parts, "overwrite");
  target.overwrite = overwrite == "true" || overwrite == "1";

  const fs::path* root = folders.directory(target.type);
  if (!root) throw HttpError(400, "400: type must be input, output or temp");
  const auto file = folders::resolve(*root, target.subfolder, target.name);
  if (!file) throw HttpError(400, "400: " + file.reason);
  target.folder = file.path.parent_path();
  return target;
}

bool same_content(const fs::path& path, std::string_view bytes) {
  std::error_code error;
  if (fs::file_size(path, error) != bytes.size() || error) return false;
  std::ifstream file(path, std::ios::binary);
  std::vector<char> chunk(64 * 1024);
  for (size_t at = 0; at < bytes.size();) {
    file.read(chunk.data(), static_cast<std::streamsize>(std::min(chunk.size(), bytes.size() - at)));
    const auto got = static_cast<size_t>(file.gcount());
    if (got == 0 || bytes.substr(at, got) != std::string_view(chunk.data(), got)) return false;
    at += got;
  }
  return true;
}

// "g.png", "g (1).png", … until the name is free or its file holds these very bytes. Returns the name used.
std::string keep(const Target& target, std::string_view bytes) {
  const fs::path name(target.name);
  folders::OutputFile file(target.folder, bytes.size());
  if (target.overwrite) {
    if (fs::is_directory(target.folder / target.name)) throw HttpError(400, "400: a folder has that name");
    file.write(bytes);
    file.publish_over(target.name);
    return target.name;
  }
  bool written = false;
  for (int copy = 0; copy < kMaxCopies; ++copy) {
    const std::string candidate =
        copy == 0 ? target.name : fmt::format("{} ({}){}", name.stem().string(), copy, name.extension().string());
    std::error_code error;
    if (fs::exists(fs::symlink_status(target.folder / candidate, error))) {
      if (same_content(target.folder / candidate, bytes)) return candidate;
      continue;
    }
    if (!std::exchange(written, true)) file.write(bytes);
    if (file.publish_new(candidate)) return candidate;
  }
  throw HttpError(400, fmt::format("400: {} files called '{}' are there already", kMaxCopies, target.name));
}

Response stored(const Target& target, const std::string& name) {
  return json_response(OrderedJson{{"name", name}, {"subfolder", target.subfolder}, {"type", target.type}});
}

// The picture that original_ref points to, with the alpha of the one that was sent.
std::string masked(const std::vector<Part>& parts, const Folders& folders) {
  const Json reference = parse_json(field(parts, "original_ref"));
  if (!reference.is_object()) fail("original_ref: an object was wanted");
  const auto text = [&](const char* key, const char* fallback) {
    const auto found = reference.find(key);
    return found != reference.end() && found->is_string() ? found->get<std::string>() : std::string(fallback);
  };
  const auto [name, type] = folders::split_annotation(text("filename", ""), text("type", "output"));
  const fs::path* root = folders.directory(type);
  if (!root) fail("original_ref: type '{}' must be input, output or temp", type);
  const auto path = folders::must_resolve("upload_mask", *root, text("subfolder", ""), name);
  return media::merge_alpha(media::decode_file(path), media::decode(find_part(parts, "image")->data));
}

Response upload(const Request& request, Services& services, bool mask) {
  const auto parts = parse_multipart(request.header("Content-Type"), request.body);
  const Target target = read_target(parts, services.folders);
  const std::string_view sent = find_part(parts, "image")->data;
  if (!mask) return stored(target, keep(target, sent));
  try {
    return stored(target, keep(target, masked(parts, services.folders)));
  } catch (const Error& error) {  // ComfyUI answers 200 here too, and writes nothing
    log::warn("upload/mask: {}", error.what());
    return stored(target, target.name);
  }
}

}  // namespace

void add_upload_routes(Router& router, Services& services) {
  using namespace schema;
  const Schema bytes{{{"type", "string"}, {"format", "binary"}}};
  router.post("/upload/image", [&services](const Request& request) { return upload(request, services, false); },
              {.about = "Keep a file; another name is chosen if a different file has this one",
               .body = object({{"image*", bytes},
                               {"type", one_of({"input", "temp", "output"})},
                               {"subfolder", text()},
                               {"overwrite", one_of({"true", "1"})}}),
               .answer = ref("File"),
               .also = {{400, "No file, a bad name or type"}, {413, "Too large"}},
               .body_type = "multipart/form-data"});
  router.post("/upload/mask", [&services](const Request& request) { return upload(request, services, true); },
              {.about = "Keep a picture that was there with the alpha of the one that is sent",
               .body = object({{"image*", bytes},
                               {"original_ref*", text()},
                               {"type", one_of({"input", "temp", "output"})},
                               {"subfolder", text()},
                               {"overwrite", one_of({"true", "1"})}}),
               .answer = ref("File"),
               .also = {{400, "No file, a bad name or type"}, {413, "Too large"}},
               .body_type = "multipart/form-data"});
}

}  // namespace easel::server
