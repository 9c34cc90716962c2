// What lies in the model folders: /models, /experiment/models, /view_metadata.
#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "formats/tensor_file.h"
#include "media/picture.h"
#include "server/file_facts.h"
#include "server/routes/routes.h"
#include "server/users.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;

// Legacy names ("unet", "clip") are no folders here, though look-ups know them.
void want_folder(const Folders& folders, const std::string& folder) {
  const auto names = folders.folder_names();
  if (std::ranges::find(names, folder) == names.end()) throw HttpError(404, "");
}

Response folders_with_roots(const Folders& folders) {
  OrderedJson list = OrderedJson::array();
  for (const std::string& name : folders.folder_names()) {
    if (name == "configs" || name == "custom_nodes") continue;
    OrderedJson roots = OrderedJson::array();
    for (const fs::path& root : folders.model_roots(name)) roots.push_back(root.string());
    list.push_back({{"name", name}, {"folders", std::move(roots)}});
  }
  return json_response(list);
}

Response files_with_facts(const Folders& folders, const std::string& folder) {
  want_folder(folders, folder);
  const auto& roots = folders.model_roots(folder);
  OrderedJson list = OrderedJson::array();
  for (const std::string& name : folders.list(folder)) {
    for (size_t i = 0; i < roots.size(); ++i) {
      const auto facts = file_facts(roots[i] / name);
      if (!facts) continue;
      list.push_back({{"name", name},
                      {"pathIndex", i},
                      {"modified", facts->modified},
                      {"created", facts->created},
                      {"size", facts->size}});
      break;
    }
  }
  return json_response(list);
}

// A picture beside the model: <model>.png, <model>.preview.webp, …; or the one in its metadata.
Response preview(const Folders& folders, const Request& request) {
  const std::string& folder = request.params[0];
  want_folder(folders, folder);
  size_t index = 0;
  const std::string& digits = request.params[1];
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  const auto& roots = folders.model_roots(folder);
  const auto model = folders.find(folder, request.params[2]);
  if (error != std::errc() || end != digits.data() + digits.size() || index >= roots.size() || !model)
    throw HttpError(404, "404: Not Found");
  for (const char* middle : {"", ".preview"}) {
    for (const char* ending : {".webp", ".png", ".jpg", ".jpeg"}) {
      const fs::path beside = model->parent_path() / (model->stem().string() + middle + ending);
      if (!file_facts(beside)) continue;
      try {
        const media::Picture picture = media::decode_file(beside);
        Response response;
        response.type = "image/webp";
        response.body = media::encode_webp(picture.has_alpha() ? media::to_rgba(picture) : media::to_rgb(picture));
        return response;
      } catch (const Error&) {  // no picture after all: perhaps the next one is
      }
    }
  }
  throw HttpError(404, "404: Not Found");
}

Response view_metadata(const Folders& folders, const Request& request) {
  const auto path = folders.find(request.params[0], request.argument("filename").value_or(""));
  if (!path || path->extension() != ".safetensors") throw HttpError(404, "404: Not Found");
  try {
    if (const auto metadata = safetensors_metadata(*path)) return json_response(*metadata);
  } catch (const Error&) {  // a damaged file has none
  }
  throw HttpError(404, "404: Not Found");
}

}  // namespace

void add_model_routes(Router& router, Services& services) {
  const Folders& folders = services.folders;
  router.get("/models", [&folders](const Request&) { return json_response(Json(folders.folder_names())); });
  router.get("/models/{folder}", [&folders](const Request& request) {
    want_folder(folders, request.params[0]);
    return json_response(Json(folders.list(request.params[0])));
  });
  router.get("/experiment/models", [&folders](const Request&) { return folders_with_roots(folders); });
  router.get("/experiment/models/preview/{folder}/{index}/{file*}",
             [&folders](const Request& request) { return preview(folders, request); });
  router.get("/experiment/models/{folder}",
             [&folders](const Request& request) { return files_with_facts(folders, request.params[0]); });
  router.get("/view_metadata/{folder}", [&folders](const Request& request) { return view_metadata(folders, request); });
}

}  // namespace easel::server
