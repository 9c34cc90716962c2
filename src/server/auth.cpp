#include "server/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/log.h"

namespace easel::server {
namespace {

constexpr size_t kMaxUser = 100;

std::string sha256(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
    fail("sha256: OpenSSL refused");
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string session_of(std::string_view token) {
  static constexpr std::string_view kPurpose = "easel session 1";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (!HMAC(EVP_sha256(), token.data(), static_cast<int>(token.size()),
            reinterpret_cast<const unsigned char*>(kPurpose.data()), kPurpose.size(), digest.data(), &size))
    fail("session_of: OpenSSL refused");
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

// When it changes, the file has: a Secret that Kubernetes mounts is replaced by another link.
std::string stamp_of(const std::filesystem::path& file) {
  struct stat facts;
  if (stat(file.c_str(), &facts) != 0) return "absent";
  return fmt::format("{} {} {} {}.{}", facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtim.tv_sec,
                     facts.st_mtim.tv_nsec);
}

// The user is the name of a folder too.
bool is_user(std::string_view name) {
  return !name.empty() && name.size() <= kMaxUser &&
         std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
}

std::string_view cookie(const Request& request, std::string_view name) {
  std::string_view rest = request.header("Cookie");
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(';'), rest.size());
    std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) return pair.substr(name.size() + 1);
  }
  return {};
}

bool takes_token_in_query(std::string_view path) {
  if (path.starts_with("/api/")) path.remove_prefix(4);
  return path == "/ws" || path == "/view";
}

}  // namespace

Auth::Auth(std::filesystem::path file) : file_(std::move(file)), table_(load(file_)) {}

std::shared_ptr<const Auth::Table> Auth::load(const std::filesystem::path& file) {
  auto table = std::make_shared<Table>();
  table->stamp = stamp_of(file);
  std::ifstream lines(file);
  if (!lines) fail("--auth-token-file: '{}' cannot be read", file.string());
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line.substr(0, line.find('#')));
    std::string user, token, role, more;
    if (!(words >> user)) continue;
    words >> token >> role >> more;
    const auto bad = [&](const char* what) {
      fail("--auth-token-file: '{}' line {}: {}", file.string(), number, what);
    };
    if (!is_user(user)) bad("a user of letters, digits, '-' and '_' was wanted, then the token");
    if (token.size() < kMinToken || token.size() > kMaxToken) bad("a token has 16 to 1024 characters");
    if ((!role.empty() && role != "admin") || !more.empty()) bad("only 'admin' may follow the token");
    if (table->entries.size() >= kMaxTokens) bad("too many tokens");
    table->entries.push_back({user, role == "admin", sha256(token), sha256(session_of(token))});
  }
  if (table->entries.empty()) fail("--auth-token-file: '{}' has no token: nobody could speak to us", file.string());
  return table;
}

bool Auth::reload() {
  const std::string stamp = stamp_of(file_);
  if (stamp == table()->stamp || stamp == refused_stamp_) return false;
  try {
    std::atomic_store(&table_, load(file_));
    log::info("--auth-token-file: {} tokens hold now", table()->entries.size());
    return true;
  } catch (const Error& error) {
    refused_stamp_ = stamp;
    log::error("{}; the tokens of before still hold", error.what());
    return false;
  }
}

std::optional<Caller> Auth::caller(const Request& request) const {
  constexpr std::string_view kBearer = "bearer ";
  std::string token;
  std::string_view authorization = request.header("Authorization");
  if (authorization.size() > kBearer.size() && equal_ignoring_case(authorization.substr(0, kBearer.size()), kBearer))
    token = authorization.substr(kBearer.size());
  else if (takes_token_in_query(request.path))
    token = request.argument("token").value_or("");
  const std::string_view session = cookie(request, kCookie);

  // Every entry is looked at, and each in the same time: what it takes tells nothing of the tokens.
  const auto table = this->table();
  const std::string token_hash = sha256(token), session_hash = sha256(session);
  const Entry* found = nullptr;
  for (const Entry& entry : table->entries) {
    const bool by_token = CRYPTO_memcmp(entry.token.data(), token_hash.data(), token_hash.size()) == 0;
    const bool by_session = CRYPTO_memcmp(entry.session.data(), session_hash.data(), session_hash.size()) == 0;
    if (by_token || (by_session && !found)) found = &entry;
  }
  if (!found) return std::nullopt;
  return Caller{found->user, found->admin, found->token};
}

bool Auth::still_valid(const Caller& caller) const {
  const auto table = this->table();
  return std::ranges::any_of(table->entries, [&](const Entry& entry) {
    return entry.token == caller.token && entry.user == caller.user && entry.admin == caller.sees_all;
  });
}

std::optional<std::string> Auth::session(std::string_view token) const {
  const std::string hash = sha256(token);
  const auto table = this->table();
  bool known = false;
  for (const Entry& entry : table->entries) known |= CRYPTO_memcmp(entry.token.data(), hash.data(), hash.size()) == 0;
  return known ? std::optional(session_of(token)) : std::nullopt;
}

}  // namespace easel::server
