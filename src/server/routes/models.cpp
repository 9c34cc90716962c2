// What lies in the model folders: /models, /experiment/models, /view_metadata.
#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "folders/resolve.h"
#include "formats/tensor_file.h"
#include "graph/prompt.h"
#include "media/picture.h"
#include "server/base64.h"
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

Response as_webp(const media::Picture& picture) {
  Response response;
  response.type = "image/webp";
  response.body = media::encode_webp(picture.has_alpha() ? media::to_rgba(picture) : media::to_rgb(picture));
  return response;
}

// ssmd_cover_images of a safetensors file: a JSON list of pictures in base64. The first counts.
std::optional<media::Picture> cover(const fs::path& model) {
  if (model.extension() != ".safetensors") return std::nullopt;
  const auto metadata = safetensors_metadata(model);
  const Json covers = metadata ? metadata->value("ssmd_cover_images", Json()) : Json();
  if (!covers.is_string()) return std::nullopt;
  const Json list = parse_json(covers.get_ref<const std::string&>());
  if (!list.is_array() || list.empty() || !list[0].is_string()) return std::nullopt;
  return media::decode(base64_decode(list[0].get_ref<const std::string&>()));
}

// The model's file in the folder's root of that index, as the page has it from /experiment/models/{folder}.
fs::path model_at(const Folders& folders, const Request& request) {
  size_t index = 0;
  const std::string& digits = request.params[1];
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  const auto& roots = folders.model_roots(request.params[0]);
  const auto name = folders::clean_name("", request.params[2]);
  if (error != std::errc() || end != digits.data() + digits.size() || index >= roots.size() || !name)
    throw HttpError(404, "404: Not Found");
  return roots[index] / name.path;
}

// A picture beside the model: <model>.png, <model>.preview.webp, …; or the one in its metadata.
Response preview(const Folders& folders, const Request& request) {
  want_folder(folders, request.params[0]);
  const fs::path model = model_at(folders, request);
  if (!file_facts(model)) throw HttpError(404, "404: Not Found");
  for (const char* middle : {"", ".preview"}) {
    for (const char* ending : {".webp", ".png", ".jpg", ".jpeg"}) {
      const fs::path beside = model.parent_path() / (model.stem().string() + middle + ending);
      if (!file_facts(beside)) continue;
      try {
        return as_webp(media::decode_file(beside));
      } catch (const Error&) {  // no picture after all: perhaps the next one is
      }
    }
  }
  try {
    if (const auto picture = cover(model)) return as_webp(*picture);
  } catch (const Error&) {  // a damaged file, or no picture in it
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
  using namespace schema;
  const Folders& folders = services.folders;
  const Schema file = object({{"name*", text()},
                              {"pathIndex*", integer()},
                              {"modified*", number()},
                              {"created*", number()},
                              {"size*", integer()}});
  router.get("/models", [&folders](const Request&) { return json_response(Json(folders.folder_names())); },
             {.about = "Kinds of model files", .answer = list(text())});
  router.get("/models/{folder}",
             [&folders](const Request& request) {
               want_folder(folders, request.params[0]);
               return json_response(Json(folders.list(request.params[0])));
             },
             {.about = "Model files of a kind", .answer = list(text()), .also = {{404, "No such kind"}}});
  router.get("/experiment/models", [&folders](const Request&) { return folders_with_roots(folders); },
             {.about = "Kinds of model files and where they lie",
              .answer = list(object({{"name*", text()}, {"folders*", list(text())}}))});
  router.get("/experiment/models/preview/{folder}/{path_index}/{file*}",
             [&folders](const Request& request) { return preview(folders, request); },
             {.about = "The picture of a model", .also = {{404, "It has none"}}, .answer_type = "image/webp"});
  router.get("/experiment/models/{folder}",
             [&folders](const Request& request) { return files_with_facts(folders, request.params[0]); },
             {.about = "Model files of a kind with their sizes and times",
              .answer = list(file),
              .also = {{404, "No such kind"}}});
  router.get("/view_metadata/{folder}", [&folders](const Request& request) { return view_metadata(folders, request); },
             {.about = "The __metadata__ of a safetensors file",
              .query = {{"filename", text(), "as /models/{folder} has it", true}},
              .answer = map(text()),
              .also = {{404, "No such file, or none in it"}}});
}

}  // namespace easel::server
