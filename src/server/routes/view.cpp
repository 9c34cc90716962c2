// GET /view: a picture or file of input, output or temp, as it is, re-encoded, or by channel.
#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "folders/resolve.h"
#include "media/picture.h"
#include "server/routes/routes.h"
#include "server/static_file.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;

// What a browser would run goes out as a download of unknown type.
bool is_runnable(const std::string& type) {
  return type.starts_with("text/html") || type.starts_with("application/javascript") || type.starts_with("text/css") ||
         type.starts_with("image/svg") || type.starts_with("application/xml");
}

fs::path find_file(const Request& request, const Folders& folders) {
  const std::string asked = request.argument("filename").value_or("");
  if (asked.empty()) throw HttpError(404, "404: Not Found");
  const auto [name, type] = folders::split_annotation(asked, request.argument("type").value_or("output"));
  const fs::path* root = folders.directory(type);
  if (!root) throw HttpError(400, "400: type must be input, output or temp");
  if (name.empty() || name.front() == '/' || name.find("..") != std::string::npos)
    throw HttpError(400, "400: bad filename");
  const std::string subfolder = request.argument("subfolder").value_or("");
  if (subfolder.find("..") != std::string::npos || subfolder.starts_with('/')) throw HttpError(403, "");
  const auto found = folders::resolve(*root, subfolder, fs::path(name).filename().string(), folders::Want::kFile);
  switch (found.verdict) {
    case folders::Verdict::kOk:
      return found.path;
    case folders::Verdict::kBadName:
      throw HttpError(400, "400: " + found.reason);
    case folders::Verdict::kOutside:
      throw HttpError(403, "");
    default:
      throw HttpError(404, "404: Not Found");
  }
}

Response encoded(std::string bytes, std::string type) {
  Response response;
  response.body = std::move(bytes);
  response.type = std::move(type);
  return response;
}

// "webp;90", "jpeg;80", "jpeg": alpha survives only as webp.
Response preview(const fs::path& path, const std::string& wish, const std::string& channel) {
  const size_t semicolon = std::min(wish.find(';'), wish.size());
  std::string format = wish.substr(0, semicolon);
  int quality = 90;
  if (semicolon < wish.size()) std::from_chars(wish.data() + semicolon + 1, wish.data() + wish.size(), quality);
  quality = std::clamp(quality, 1, 100);
  if ((format != "webp" && format != "jpeg") || channel.find('a') != std::string::npos) format = "webp";
  const media::Picture picture = media::decode_file(path);
  if (format == "jpeg") return encoded(media::encode_jpeg(media::to_rgb(picture), quality), "image/jpeg");
  const bool keeps_alpha = picture.has_alpha() && channel != "rgb";
  return encoded(media::encode_webp(keeps_alpha ? media::to_rgba(picture) : media::to_rgb(picture), quality),
                 "image/webp");
}

Response channel(const fs::path& path, const std::string& which) {
  const media::Picture picture = media::decode_file(path);
  if (which == "rgb") return encoded(media::encode_png(media::to_rgb(picture)), "image/png");
  media::Picture alpha = media::to_rgba(picture);  // black, with the alpha it has
  for (size_t i = 0; i < alpha.pixels.size(); i += 4)
    std::fill_n(alpha.pixels.begin() + static_cast<ptrdiff_t>(i), 3, 0);
  return encoded(media::encode_png(alpha), "image/png");
}

Response view(const Request& request, Services& services) {
  const fs::path path = find_file(request, services.folders);
  const std::string which = request.argument("channel").value_or("");
  const auto wish = request.argument("preview");
  Response response;
  try {
    if (wish) {
      response = preview(path, *wish, which);
    } else if (which == "rgb" || which == "a") {
      response = channel(path, which);
    } else {
      response = file_response(request, path);
    }
  } catch (const Error& error) {
    throw HttpError(400, fmt::format("400: {}", error.what()));
  }
  // Clients cut the name out of exactly this form.
  response.set("Content-Security-Policy", "sandbox");  // whatever it turns out to be, it runs nothing here
  const std::string name = "filename=" + header_quoted(path.filename().string());
  if (is_runnable(response.type)) {
    response.type = "application/octet-stream";
    response.set("Content-Disposition", "attachment; " + name);
  } else {
    response.set("Content-Disposition", name);
  }
  return response;
}

}  // namespace

void add_view_routes(Router& router, Services& services) {
  using namespace schema;
  router.get("/view", [&services](const Request& request) { return view(request, services); },
             {.about = "A file of input, output or temp; ranges are served",
              .query = {{"filename", text(), "may end in [input], [output] or [temp]", true},
                        {"type", one_of({"output", "input", "temp"}), "output unless said"},
                        {"subfolder", text(), ""},
                        {"preview", text(), "webp;QUALITY or jpeg;QUALITY: smaller, for looking at"},
                        {"channel", one_of({"rgba", "rgb", "a"}), "as a PNG of these channels"}},
              .also = {{400, "A bad name or type"}, {403, "The subfolder leads out"}, {404, "No such file"}},
              .answer_type = "application/octet-stream"});
}

}  // namespace easel::server
