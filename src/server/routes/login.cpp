// GET and POST /login, POST /logout. The token travels in a form's body, never in an address, and what stays in the
// browser is a cookie that scripts cannot read and that does not tell the token.
#include "base/error.h"
#include "base/log.h"
#include "server/auth.h"
#include "server/routes/login_page.h"
#include "server/routes/routes.h"

namespace easel::server {
namespace {

constexpr int kDays = 30;
constexpr size_t kMaxForm = 8192;

constexpr const char* kPage =
    R"(<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>easel</title><style>
body{{font:16px system-ui,sans-serif;background:#202124;color:#e8eaed;display:grid;place-items:center;height:100vh;margin:0}}
form{{display:grid;gap:12px;width:min(22rem,90vw)}}
input,button{{font:inherit;padding:10px;border-radius:6px;border:1px solid #5f6368;background:#303134;color:inherit}}
button{{background:#8ab4f8;color:#202124;border:0;cursor:pointer}} p{{margin:0;color:#f28b82}}</style>
<form method="post" action="/login"><label for="token">Access token</label>
<input id="token" name="token" type="password" autocomplete="current-password" autofocus required>{}
<button>Log in</button></form></html>)";

std::string cookie(std::string_view value, int seconds, bool tls) {
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{}", Auth::kCookie, value, seconds,
                     tls ? "; Secure" : "");
}

Response see_other(const char* where, std::string cookie) {
  Response response = empty_response(303);
  response.set("Location", where);
  response.set("Set-Cookie", std::move(cookie));
  response.set("Cache-Control", "no-store");
  return response;
}

Response log_in(const Request& request, const Services& services) {
  Request form;  // a form's body has the syntax of a query
  if (request.body.size() > kMaxForm) throw HttpError(413, "413: Request Entity Too Large");
  form.query = std::string(request.body);
  const auto session = services.auth->session(form.argument("token").value_or(""));
  if (!session) {
    log::warn("/login: a token that is not known came");
    return login_page(true);
  }
  return see_other("/", cookie(*session, kDays * 24 * 3600, services.tls));
}

}  // namespace

Response login_page(bool wrong) {
  Response response =
      text_response(wrong ? 401 : 200, fmt::format(kPage, wrong ? "<p>This token is not known.</p>" : ""));
  response.type = "text/html; charset=utf-8";
  response.set("Cache-Control", "no-store");
  response.set(
      "Content-Security-Policy",
      "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
  return response;
}

Response log_in_first(const Request& request) {
  const bool page = request.method == "GET" && request.header("Accept").find("text/html") != std::string_view::npos;
  Response response = page ? login_page(false) : text_response(401, "401: a token is needed");
  response.status = 401;
  response.set("WWW-Authenticate", "Bearer realm=\"easel\"");
  response.set("Cache-Control", "no-store");
  return response;
}

void add_login_routes(Router& router, Services& services) {
  if (!services.auth) return;
  router.only("GET", "/login", [](const Request&) { return login_page(false); });
  router.only("POST", "/login", [&services](const Request& request) { return log_in(request, services); });
  router.only("POST", "/logout",
              [&services](const Request&) { return see_other("/login", cookie("", 0, services.tls)); });
}

}  // namespace easel::server
