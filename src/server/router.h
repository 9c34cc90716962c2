// Routes: patterns matched on the raw path, decoded after. Built before the server runs, then only read.
//
//   router.get("/userdata/{file}", handler);      one segment: "workflows%2Fa.json" -> "workflows/a.json"
//   router.get("/userdata/{file*}", handler);     one or more segments, so real slashes will do as well
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "server/http.h"

namespace easel::server {

class Router {
 public:
  // Each route answers under its own path and under /api. The first route that matches wins.
  void get(std::string pattern, Handler handler) { add("GET", std::move(pattern), std::move(handler), true); }
  void post(std::string pattern, Handler handler) { add("POST", std::move(pattern), std::move(handler), true); }
  void del(std::string pattern, Handler handler) { add("DELETE", std::move(pattern), std::move(handler), true); }
  // Under its own path only (/internal, static files).
  void only(std::string method, std::string pattern, Handler handler) {
    add(std::move(method), std::move(pattern), std::move(handler), false);
  }
  // GET of what no route matches: the frontend's files.
  void otherwise(Handler handler) { otherwise_ = std::move(handler); }

  // Fills request.params and calls the handler. 404 and 405 as text/plain; an exception becomes HttpError's status, or
  // 500 and a line in the log.
  Response handle(Request& request) const;

  // All routes as "METHOD pattern", for tests that visit each.
  std::vector<std::string> list() const;

 private:
  struct Route {
    std::string method, pattern;
    std::vector<std::string> segments;
    Handler handler;
    bool also_api;
  };
  void add(std::string method, std::string pattern, Handler handler, bool also_api);
  Response dispatch(Request& request) const;

  std::vector<Route> routes_;
  Handler otherwise_;
};

}  // namespace easel::server
