#include "server/http.h"

#include <gtest/gtest.h>

namespace easel::server {
namespace {

TEST(Request, QueryArguments) {
  Request request;
  request.query = "filename=a%20b+c.png&type=input&empty=&type=output&flag";
  EXPECT_EQ(request.argument("filename"), "a b c.png");
  EXPECT_EQ(request.argument("type"), "input") << "the first one";
  EXPECT_EQ(request.argument("empty"), "");
  EXPECT_EQ(request.argument("flag"), "");
  EXPECT_EQ(request.argument("none"), std::nullopt);
}

TEST(Request, Flags) {
  Request request;
  request.query = "a=true&b=True&c=1&d=false";
  EXPECT_TRUE(request.flag("a"));
  EXPECT_TRUE(request.flag("b"));
  EXPECT_FALSE(request.flag("c"));
  EXPECT_FALSE(request.flag("d"));
}

TEST(Request, HeadersIgnoreCase) {
  Request request;
  request.headers = {{"Content-TYPE", "x"}};
  EXPECT_EQ(request.header("content-type"), "x");
}

TEST(Request, BodiesThatAreNoJson) {
  Request request;
  for (const std::string& body :
       {std::string("{not json"), std::string(""), std::string(100'000, '['), std::string("\xff")}) {
    request.body = body;
    try {
      request.json();
      FAIL() << body.substr(0, 20);
    } catch (const HttpError& error) {
      EXPECT_EQ(error.status, 400);
    }
  }
}

TEST(Response, NonFiniteNumbersAndBadUtf8GoOutAsJson) {
  EXPECT_EQ(json_response(Json(std::numeric_limits<double>::quiet_NaN())).body, "null");
  EXPECT_EQ(json_response(Json(std::string("a\xff"))).body, "\"a\xEF\xBF\xBD\"");
  EXPECT_EQ(quote_json("a\"b\n"), R"("a\"b\n")");
}

TEST(PercentDecode, AsPythonsUnquote) {
  EXPECT_EQ(percent_decode("%2e%2E%2f"), "../");
  EXPECT_EQ(percent_decode("100%"), "100%");
  EXPECT_EQ(percent_decode("%4"), "%4");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
}

}  // namespace
}  // namespace easel::server
