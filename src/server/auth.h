// Who may speak: the tokens of --auth-token-file, and the user each stands for. Any thread.
//
// The file has a line for each token, "USER TOKEN" or "USER TOKEN admin"; '#' begins a comment. An admin sees and edits
// every user's queue and history. Tokens are kept as hashes and compared in constant time.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http.h"

namespace easel::server {

class Auth {
 public:
  static constexpr size_t kMinToken = 16, kMaxToken = 1024, kMaxTokens = 10'000;

  // Throws Error when the file cannot be read or has a line that is wrong (the token itself is never in the message).
  explicit Auth(std::filesystem::path file);

  // Takes the file again if it has changed: true when other tokens hold now. A file that is wrong changes nothing and
  // is said in the log.
  bool reload();

  // Who sends this request: by "Authorization: Bearer", by the cookie of the login page, or on /ws and /view by
  // ?token=.
  std::optional<Caller> caller(const Request& request) const;
  // Whether the caller's token is still in the file.
  bool still_valid(const Caller& caller) const;

  // What the login page's cookie holds for this token, or nothing for a wrong one. Not the token: it ends with it, but
  // does not tell it.
  std::optional<std::string> session(std::string_view token) const;
  static constexpr std::string_view kCookie = "easel_session";

 private:
  struct Entry {
    std::string user;
    bool admin;
    std::string token, session;  // SHA-256 of each
  };
  struct Table {
    std::vector<Entry> entries;
    std::string stamp;  // of the file it was read from
  };
  static std::shared_ptr<const Table> load(const std::filesystem::path& file);
  std::shared_ptr<const Table> table() const { return std::atomic_load(&table_); }

  const std::filesystem::path file_;
  std::string refused_stamp_;  // of a wrong file that was told of already; reload()'s own
  std::shared_ptr<const Table> table_;
};

}  // namespace easel::server
