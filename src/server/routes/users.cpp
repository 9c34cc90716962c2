// /users and /settings.
#include "base/log.h"
#include "base/utf8.h"
#include "server/routes/routes.h"

namespace easel::server {
namespace {

// The settings of one user: a flat object in comfy.settings.json. Absent or damaged: {}.
class SettingsFile {
 public:
  SettingsFile(const Users& users, const Request& request)
      : path_(users.folder(request) / "comfy.settings.json"), lock_(mutex()) {}

  OrderedJson load() const {
    const auto text = read_text(path_);
    if (!text) return OrderedJson::object();
    OrderedJson settings = OrderedJson::parse(*text, nullptr, false);
    if (settings.is_object()) return settings;
    log::warn("'{}' is no JSON object and is taken as empty", path_.string());
    return OrderedJson::object();
  }

  void merge(const Json& changes) const {
    OrderedJson settings = load();
    for (const auto& [key, value] : changes.items()) settings[key] = value;
    write_text(path_, settings.dump(4));
  }

 private:
  static std::mutex& mutex() {  // one writer at a time, whoever the user is
    static std::mutex one;
    return one;
  }
  std::filesystem::path path_;
  std::lock_guard<std::mutex> lock_;
};

Response get_users(const Request& request, const Users& users) {
  if (users.multi_user() && request.caller.user.empty())
    return json_response(OrderedJson{{"storage", "server"}, {"users", users.all()}});
  const bool migrated = std::filesystem::exists(users.folder(request));
  return json_response(OrderedJson{{"storage", "server"}, {"migrated", migrated}});
}

Response post_users(const Request& request, Users& users) {
  const Json body = request.json();
  const Json name = body.is_object() ? body.value("username", Json()) : Json();
  try {
    if (!name.is_string()) throw HttpError(400, "A username is needed");
    return json_response(Json(users.add(name)));
  } catch (const HttpError& error) {
    return json_response(Json{{"error", error.what()}}, error.status);
  }
}

}  // namespace

void add_user_routes(Router& router, Services& services) {
  using namespace schema;
  Users& users = services.users;
  router.get("/users", [&users](const Request& request) { return get_users(request, users); },
             {.about = "The users there are, or whether the one has used the server before",
              .answer = object({{"storage*", text()}, {"users", map(text())}, {"migrated", boolean()}})});
  router.post("/users", [&users](const Request& request) { return post_users(request, users); },
              {.about = "A new user; gives its id",
               .body = object({{"username*", text()}}),
               .answer = text(),
               .also = {{400, "No name, or one that is taken"}}});
  router.get("/settings",
             [&users](const Request& request) { return json_response(SettingsFile(users, request).load()); },
             {.about = "All settings of the user", .answer = map(any()), .also = {{401, "Unknown user"}}});
  router.get("/settings/{id*}",
             [&users](const Request& request) {
               const OrderedJson settings = SettingsFile(users, request).load();
               const auto found = settings.find(request.params[0]);
               return json_response(found == settings.end() ? OrderedJson(nullptr) : *found);
             },
             {.about = "One setting, or null", .answer = any()});
  router.post("/settings",
              [&users](const Request& request) {
                const Json changes = request.json();
                if (!changes.is_object()) throw HttpError(400, "an object was wanted");
                SettingsFile(users, request).merge(changes);
                return empty_response();
              },
              {.about = "Change some settings", .body = map(any())});
  router.post("/settings/{id*}",
              [&users](const Request& request) {
                if (!is_utf8(request.params[0])) throw HttpError(400, "400: a setting's name is UTF-8");
                SettingsFile(users, request).merge({{request.params[0], request.json()}});
                return empty_response();
              },
              {.about = "Change one setting", .body = any()});
}

}  // namespace easel::server
