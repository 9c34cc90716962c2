// Who the users are (users.json under the user root) and where each one's files lie. Without --multi-user there is one,
// "default". Any thread.
#pragma once
#include <filesystem>
#include <mutex>
#include <string>

#include "server/http.h"

namespace easel::server {

class Users {
 public:
  Users(std::filesystem::path root, bool multi_user);

  bool multi_user() const { return multi_user_; }
  // The folder of the user whose token came; without tokens of the one that the Comfy-User header names; HttpError 401 if there is none of that id. Without
  // --multi-user it is always the one folder.
  std::filesystem::path folder(const Request& request) const;

  OrderedJson all() const;  // {id: name}
  // The new id "<sanitised>_<uuid>"; HttpError 400 for an empty or taken name.
  std::string add(const std::string& name);

 private:
  OrderedJson load() const;

  const std::filesystem::path root_;
  const bool multi_user_;
  mutable std::mutex mutex_;  // guards users.json
};

// A small file, whole; nothing if it is absent.
std::optional<std::string> read_text(const std::filesystem::path& path);
// Whole or not at all: temporary name, fsync, rename. Creates the folder.
void write_text(const std::filesystem::path& path, std::string_view text);

}  // namespace easel::server
