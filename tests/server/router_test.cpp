#include "server/router.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "server/openapi.h"

namespace easel::server {
namespace {

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    const auto echo = [](const char* name) {
      return [name](const Request& request) {
        std::string text = name;
        for (const auto& param : request.params) text += "|" + param;
        return text_response(200, text);
      };
    };
    router_.get("/", echo("root"));
    router_.get("/queue", echo("queue"));
    router_.post("/queue", echo("post"));
    router_.get("/settings/{id}", echo("setting"));
    router_.get("/userdata/{file*}", echo("file"));
    router_.post("/userdata/{file*}/move/{dest*}", echo("move"));
    router_.post("/userdata/{file*}", echo("save"));
    router_.only("GET", "/internal/logs", echo("logs"));
    router_.get("/fails", [](const Request&) -> Response { fail("disk full"); });
    router_.get("/refuses", [](const Request&) -> Response { throw HttpError(403, "no"); });
    router_.otherwise(echo("static"));
  }

  std::string ask(const std::string& method, const std::string& path) {
    Request request;
    request.method = method;
    request.path = path;
    const Response response = router_.handle(request);
    return response.status == 200 ? response.body : std::to_string(response.status);
  }

  Router router_;
};

TEST_F(RouterTest, EveryRouteAlsoUnderApi) {
  EXPECT_EQ(ask("GET", "/queue"), "queue");
  EXPECT_EQ(ask("GET", "/api/queue"), "queue");
  EXPECT_EQ(ask("GET", "/internal/logs"), "logs");
  EXPECT_EQ(ask("GET", "/api/internal/logs"), "404");
}

TEST_F(RouterTest, AnEncodedSlashStaysInItsSegment) {
  EXPECT_EQ(ask("GET", "/api/userdata/workflows%2Fa.json"), "file|workflows/a.json");
  EXPECT_EQ(ask("GET", "/userdata/workflows/a.json"), "file|workflows/a.json") << "real slashes as well";
  EXPECT_EQ(ask("POST", "/userdata/a%2Fb/move/c%2Fd"), "move|a/b|c/d");
  EXPECT_EQ(ask("POST", "/userdata/a/b/move/c/d"), "move|a/b|c/d");
  EXPECT_EQ(ask("POST", "/userdata/a%2Fmove%2Fb"), "save|a/move/b");
  EXPECT_EQ(ask("GET", "/settings/a%2Fb"), "setting|a/b");
  EXPECT_EQ(ask("GET", "/settings/a%20b%zz"), "setting|a b%zz") << "a % that starts no code stands for itself";
}

TEST_F(RouterTest, UnknownPathsAndWrongMethods) {
  EXPECT_EQ(ask("PUT", "/queue"), "405");
  EXPECT_EQ(ask("DELETE", "/api/queue"), "405");
  EXPECT_EQ(ask("GET", "/nowhere.js"), "static");
  EXPECT_EQ(ask("POST", "/nowhere"), "404");
  EXPECT_EQ(ask("GET", "/api/nowhere"), "404");
  EXPECT_EQ(ask("GET", "/settings/"), "static");
  EXPECT_EQ(ask("GET", ""), "400");
  EXPECT_EQ(ask("GET", "http://x/"), "400");
}

TEST_F(RouterTest, SomeAnswerBelowApiAlone) {
  router_.add(
      "GET", "/jobs", [](const Request&) { return text_response(200, "jobs"); }, {}, Under::kApiAlone);
  EXPECT_EQ(ask("GET", "/api/jobs"), "jobs");
  EXPECT_EQ(ask("POST", "/api/jobs"), "405");
  EXPECT_EQ(ask("GET", "/jobs"), "static");
}

TEST_F(RouterTest, AnswersAreCounted) {
  for (const char* path : {"/queue", "/api/queue", "/refuses", "/api/nowhere"}) ask("GET", path);
  std::map<std::string, std::map<int, uint64_t>> seen;
  for (const auto& count : router_.counts()) seen[count.pattern] = count.answers;
  EXPECT_EQ(seen["/queue"], (std::map<int, uint64_t>{{200, 2}}));
  EXPECT_EQ(seen["/refuses"], (std::map<int, uint64_t>{{403, 1}}));
  EXPECT_EQ(seen[""], (std::map<int, uint64_t>{{404, 1}}));
}

TEST_F(RouterTest, TheDescriptionIsMadeOfTheTable) {
  router_.post("/a/{x}/b/{y*}", [](const Request&) { return text_response(200, ""); },
               {.about = "Does it",
                .query = {{"n", schema::integer(), "how many", true}},
                .body = schema::object({{"always*", schema::text()}, {"at_times", schema::list(schema::number())}}),
                .answer = schema::ref("Job"),
                .also = {{409, "It is done"}}});
  const OrderedJson api = openapi(router_);
  EXPECT_EQ(api["paths"].size(), 1u) << "routes that say nothing are left out";
  const OrderedJson& operation = api["paths"]["/a/{x}/b/{y}"]["post"];
  EXPECT_EQ(operation["operationId"], "post_a_x_b_y");
  EXPECT_EQ(operation["parameters"].size(), 3u);
  EXPECT_EQ(operation["parameters"][2]["required"], true);
  const OrderedJson& body = operation["requestBody"]["content"]["application/json"]["schema"];
  EXPECT_EQ(body["required"], OrderedJson::array({"always"}));
  EXPECT_EQ(body["properties"]["at_times"]["items"]["type"], "number");
  EXPECT_EQ(operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/Job");
  EXPECT_EQ(operation["responses"]["409"]["description"], "It is done");
}

TEST_F(RouterTest, ErrorsBecomeAnswers) {
  EXPECT_EQ(ask("GET", "/refuses"), "403");
  EXPECT_EQ(ask("GET", "/fails"), "500");
}

TEST_F(RouterTest, VeryManySegmentsAreRefused) {
  std::string path;
  for (int i = 0; i < 10000; ++i) path += "/a";
  EXPECT_EQ(ask("POST", "/userdata" + path + "/move" + path), "404");
}

}  // namespace
}  // namespace easel::server
