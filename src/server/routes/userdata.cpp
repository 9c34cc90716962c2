// The user's own files: workflows, bookmarks, blueprints. /userdata and /v2/userdata.
#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "folders/output.h"
#include "folders/resolve.h"
#include "server/file_facts.h"
#include "server/routes/routes.h"
#include "server/static_file.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;

fs::path root_of(const Request& request, const Services& services) { return services.users.folder(request); }

// `name` under the user's root. As in ComfyUI, a '%' that is still in it is decoded once more.
fs::path user_path(const fs::path& root, const std::string& name) {
  const std::string decoded = name.find('%') == std::string::npos ? name : percent_decode(name);
  const auto found = folders::resolve(root, "", decoded);
  if (found.verdict == folders::Verdict::kBadName) throw HttpError(400, "400: " + found.reason);
  if (!found || found.path == root) throw HttpError(403, "403: Forbidden");
  return found.path;
}

OrderedJson info(const std::string& name, const fs::path& path) {
  const FileFacts facts = file_facts(path).value_or(FileFacts{});
  return {{"path", name}, {"size", facts.size}, {"modified", facts.modified}, {"created", facts.created}};
}

// What saving and moving answer: the path, or with full_info all that is known.
Response saved(const Request& request, const fs::path& root, const fs::path& path) {
  const std::string name = path.lexically_relative(root).generic_string();
  return json_response(request.flag("full_info") ? info(name, path) : OrderedJson(name));
}

// .index.json and its kind are read by name, never listed.
bool is_hidden(const std::string& path) { return path.starts_with('.') || path.find("/.") != std::string::npos; }

Response list(const Request& request, const Services& services) {
  const auto directory = request.argument("dir");
  if (!directory || directory->empty()) throw HttpError(400, "Directory not provided");
  const fs::path root = root_of(request, services);
  const auto found = folders::resolve(root, *directory, "");
  if (!found) throw HttpError(403, "403: Forbidden");
  if (!fs::is_directory(found.path)) throw HttpError(404, "Directory not found");
  const bool full_info = request.flag("full_info"), split = request.flag("split");
  OrderedJson entries = OrderedJson::array();
  for (const std::string& file : files_below(found.path, request.flag("recurse"))) {
    if (is_hidden(file)) continue;
    if (full_info) {
      entries.push_back(info(file, found.path / file));
    } else if (split) {
      OrderedJson parts = OrderedJson::array({file});
      for (const fs::path& part : fs::path(file)) parts.push_back(part.string());
      entries.push_back(std::move(parts));
    } else {
      entries.push_back(file);
    }
  }
  return json_response(entries);
}

// Folders first, then by name without regard to case.
Response tree(const Request& request, const Services& services) {
  const fs::path root = root_of(request, services);
  if (!fs::is_directory(root)) return json_text("[]");
  const std::string asked = request.argument("path").value_or("");
  const auto found =
      asked.empty() ? folders::Resolved{root, folders::Verdict::kOk, ""} : folders::resolve(root, asked, "");
  if (found.verdict == folders::Verdict::kBadName) throw HttpError(400, "400: " + found.reason);
  if (!found) throw HttpError(403, "403: Forbidden");
  if (!fs::is_directory(found.path)) throw HttpError(404, "Requested path is not a directory");

  struct Entry {
    bool is_file;
    std::string lower;
    OrderedJson json;
  };
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::recursive_directory_iterator walk(found.path, fs::directory_options::skip_permission_denied, error), end;
       !error && walk != end && entries.size() < 100'000; walk.increment(error)) {
    const std::string name = walk->path().filename().string();
    const fs::file_status status = walk->symlink_status(error);
    const bool is_file = fs::is_regular_file(status);
    if (!is_file && !fs::is_directory(status)) continue;
    if (walk.depth() >= 64) walk.disable_recursion_pending();
    Entry entry{is_file, name, {}};
    std::ranges::transform(entry.lower, entry.lower.begin(), [](unsigned char c) { return std::tolower(c); });
    entry.json = {{"name", name},
                  {"path", walk->path().lexically_relative(root).generic_string()},
                  {"type", is_file ? "file" : "directory"}};
    if (const auto facts = file_facts(walk->path()); is_file && facts)
      entry.json["size"] = facts->size, entry.json["modified"] = facts->modified;
    entries.push_back(std::move(entry));
  }
  std::ranges::stable_sort(entries, [](const Entry& a, const Entry& b) {
    return std::tie(a.is_file, a.lower) < std::tie(b.is_file, b.lower);
  });
  OrderedJson list = OrderedJson::array();
  for (Entry& entry : entries) list.push_back(std::move(entry.json));
  return json_response(list);
}

Response read(const Request& request, const Services& services) {
  const fs::path path = user_path(root_of(request, services), request.params[0]);
  Response response = file_response(request, path);
  response.set("Content-Security-Policy", "sandbox");
  // Anybody's workflow may come from elsewhere: a browser must not run it here.
  if (response.type.starts_with("text/html") || response.type.starts_with("image/svg")) {
    response.type = "application/octet-stream";
    response.set("Content-Disposition", "attachment; filename=" + header_quoted(path.filename().string()));
  }
  return response;
}

bool may_overwrite(const Request& request) {
  const auto value = request.argument("overwrite");
  return !value || !equal_ignoring_case(*value, "false");
}

Response write(const Request& request, const Services& services) {
  const fs::path root = root_of(request, services), path = user_path(root, request.params[0]);
  if (fs::is_directory(path)) throw HttpError(400, "400: a folder has that name");
  try {
    folders::OutputFile file(path.parent_path(), request.body.size());
    file.write(request.body);
    if (may_overwrite(request)) {
      file.publish_over(path.filename().string());
    } else if (!file.publish_new(path.filename().string())) {
      throw HttpError(409, "File already exists");
    }
  } catch (const Error& error) {
    throw HttpError(400, error.what());
  }
  return saved(request, root, path);
}

Response move(const Request& request, const Services& services) {
  const fs::path root = root_of(request, services);
  const fs::path from = user_path(root, request.params[0]), to = user_path(root, request.params[1]);
  if (!file_facts(from)) throw HttpError(404, "404: Not Found");
  if (fs::exists(to) && (!may_overwrite(request) || fs::is_directory(to))) throw HttpError(409, "File already exists");
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  fs::rename(from, to, error);
  if (error) throw HttpError(400, fmt::format("400: {}", error.message()));
  return saved(request, root, to);
}

Response remove(const Request& request, const Services& services) {
  const fs::path path = user_path(root_of(request, services), request.params[0]);
  std::error_code error;
  if (!file_facts(path) || !fs::remove(path, error)) throw HttpError(404, "404: Not Found");
  return empty_response(204);
}

}  // namespace

void add_userdata_routes(Router& router, Services& services) {
  using namespace schema;
  const Schema file_or_path{{{"anyOf", OrderedJson::array({text().json, ref("UserFile").json})}}};
  const Schema raw{{{"type", "string"}, {"format", "binary"}}};
  const RouteDoc::Argument overwrite{"overwrite", boolean(), "true unless said"};
  const RouteDoc::Argument full_info{"full_info", boolean(), "answer with size and times"};
  router.get("/userdata", [&services](const Request& request) { return list(request, services); },
             {.about = "Files of a folder of the user's",
              .query = {{"dir", text(), "", true},
                        {"recurse", boolean(), "folders in it too"},
                        full_info,
                        {"split", boolean(), "each path with its parts"}},
              .answer = schema::list(any()),
              .also = {{400, "No folder was named"}, {403, "It leads out"}, {404, "No such folder"}}});
  router.get("/v2/userdata", [&services](const Request& request) { return tree(request, services); },
             {.about = "Files and folders below a folder of the user's",
              .query = {{"path", text(), ""}},
              .answer = schema::list(any()),
              .also = {{400, "A bad name"}, {403, "It leads out"}, {404, "No such folder"}}});
  router.get("/userdata/{file*}", [&services](const Request& request) { return read(request, services); },
             {.about = "A file of the user's",
              .also = {{403, "It leads out"}, {404, "No such file"}},
              .answer_type = "application/octet-stream"});
  router.post("/userdata/{file*}/move/{dest*}", [&services](const Request& request) { return move(request, services); },
              {.about = "Give a file another name",
               .query = {overwrite, full_info},
               .answer = file_or_path,
               .also = {{403, "It leads out"}, {404, "No such file"}, {409, "A file has that name"}}});
  router.post("/userdata/{file*}", [&services](const Request& request) { return write(request, services); },
              {.about = "Write a file",
               .query = {overwrite, full_info},
               .body = raw,
               .answer = file_or_path,
               .also = {{400, "It cannot be written"}, {403, "It leads out"}, {409, "A file has that name"}},
               .body_type = "application/octet-stream"});
  router.del("/userdata/{file*}", [&services](const Request& request) { return remove(request, services); },
             {.about = "Delete a file", .also = {{403, "It leads out"}, {404, "No such file"}}, .status = 204});
}

}  // namespace easel::server
