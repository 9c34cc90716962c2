#include "server/users.h"

#include <cctype>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/log.h"
#include "folders/output.h"
#include "server/uuid.h"

namespace easel::server {
namespace {

constexpr size_t kMaxUsers = 1000, kMaxName = 100;

std::string sanitised(const std::string& name) {
  std::string id;
  for (const unsigned char c : name) id += std::isalnum(c) || c == '-' || c == '_' ? static_cast<char>(c) : '_';
  return id;
}

}  // namespace

std::optional<std::string> read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

void write_text(const std::filesystem::path& path, std::string_view text) {
  folders::OutputFile file(path.parent_path(), text.size());
  file.write(text);
  file.publish_over(path.filename().string());
}

Users::Users(std::filesystem::path root, bool multi_user) : root_(std::move(root)), multi_user_(multi_user) {}

OrderedJson Users::load() const {
  const auto text = read_text(root_ / "users.json");
  if (!text) return OrderedJson::object();
  OrderedJson users = OrderedJson::parse(*text, nullptr, false);
  if (users.is_object()) return users;
  log::warn("'{}' is no JSON object: no users are known", (root_ / "users.json").string());
  return OrderedJson::object();
}

OrderedJson Users::all() const {
  std::lock_guard lock(mutex_);
  return load();
}

std::filesystem::path Users::folder(const Request& request) const {
  if (!request.caller.user.empty()) return root_ / request.caller.user;  // of the token, whatever a header says
  if (!multi_user_) return root_ / "default";
  const std::string id(request.header("Comfy-User"));
  if (id.empty() || !all().contains(id)) throw HttpError(401, "401: Unknown user");
  return root_ / id;
}

std::string Users::add(const std::string& name) {
  std::lock_guard lock(mutex_);
  OrderedJson users = load();
  if (name.find_first_not_of(" \t") == std::string::npos || name.size() > kMaxName || users.size() >= kMaxUsers)
    throw HttpError(400, "400: A username is needed");
  for (const auto& [id, known] : users.items())
    if (known == name) throw HttpError(400, "Duplicate username.");
  const std::string id = sanitised(name) + "_" + make_uuid();
  users[id] = name;
  write_text(root_ / "users.json", users.dump());
  return id;
}

}  // namespace easel::server
