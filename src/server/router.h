// Routes: patterns matched on the raw path, decoded after. Built before the server runs, then only read (and counted).
//
//   router.get("/userdata/{file}", handler);      one segment: "workflows%2Fa.json" -> "workflows/a.json"
//   router.get("/userdata/{file*}", handler);     one or more segments, so real slashes will do as well
//   router.get("/features", handler, {"What the server can do", .answer = schema::map(schema::any())});
#pragma once
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/http.h"
#include "server/schema.h"

namespace easel::server {

// Under which paths a route answers.
enum class Under {
  kBoth,      // its own and the same below /api
  kOwnPath,   // /internal, static files, probes
  kApiAlone,  // written without its /api
};

class Router {
 public:
  // The first route that matches wins.
  void get(std::string pattern, Handler handler, RouteDoc doc = {}) {
    add("GET", std::move(pattern), std::move(handler), std::move(doc));
  }
  void post(std::string pattern, Handler handler, RouteDoc doc = {}) {
    add("POST", std::move(pattern), std::move(handler), std::move(doc));
  }
  void del(std::string pattern, Handler handler, RouteDoc doc = {}) {
    add("DELETE", std::move(pattern), std::move(handler), std::move(doc));
  }
  void add(std::string method, std::string pattern, Handler handler, RouteDoc doc, Under under = Under::kBoth);
  // Under its own path only.
  void only(std::string method, std::string pattern, Handler handler, RouteDoc doc = {}) {
    add(std::move(method), std::move(pattern), std::move(handler), std::move(doc), Under::kOwnPath);
  }
  // GET of what no route matches: the frontend's files.
  void otherwise(Handler handler) { otherwise_ = std::move(handler); }

  // Fills request.params and calls the handler. 404 and 405 as text/plain; an exception becomes HttpError's status, or
  // 500 and a line in the log.
  Response handle(Request& request) const;

  struct Route {
    std::string method, pattern;
    std::vector<std::string> segments;
    Handler handler;
    RouteDoc doc;
    Under under;
  };
  const std::deque<Route>& routes() const { return routes_; }

  // How often each route answered with which status, and how long its handler took in all.
  struct Count {
    std::string method, pattern;
    std::map<int, uint64_t> answers;
    double seconds = 0;
  };
  std::vector<Count> counts() const;

 private:
  Response dispatch(Request& request, const Route*& matched) const;
  void count(const Route* route, int status, double seconds) const;

  std::deque<Route> routes_;
  Handler otherwise_;

  mutable std::mutex counting_;  // guards what follows
  mutable std::map<const Route*, Count> counts_;
};

}  // namespace easel::server
