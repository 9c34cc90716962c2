#include "server/multipart.h"

#include <gtest/gtest.h>

#include "server/http.h"

namespace easel::server {
namespace {

constexpr const char* kType = "multipart/form-data; boundary=XX";

std::vector<Part> parse(const std::string& body, const char* type = kType) { return parse_multipart(type, body); }

int refusal(const std::string& body, const char* type = kType) {
  try {
    parse(body, type);
  } catch (const HttpError& error) {
    return error.status;
  }
  return 0;
}

TEST(Multipart, FieldsAndFiles) {
  const std::string body =
      "--XX\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\ninput\r\n"
      "--XX\r\ncontent-disposition: form-data; name=image; filename=\"a \\\"b\\\".png\"\r\nContent-Type: "
      "image/png\r\n\r\n"
      "\r\n--X\r\n\r\n--XX--\r\n";
  const auto parts = parse(body);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(field(parts, "type"), "input");
  EXPECT_EQ(field(parts, "none"), "");
  EXPECT_EQ(find_part(parts, "image")->filename, "a \"b\".png");
  EXPECT_EQ(find_part(parts, "image")->data, "\r\n--X\r\n");
}

TEST(Multipart, QuotedBoundaryAndPreamble) {
  const std::string body = "hello\r\n--a b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--a b--";
  EXPECT_EQ(field(parse(body, "Multipart/Form-Data; charset=x; boundary=\"a b\""), "x"), "1");
}

TEST(Multipart, EmptyPart) {
  EXPECT_EQ(field(parse("--XX\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n--XX--"), "x"), "");
}

TEST(Multipart, RubbishIsRefused) {
  EXPECT_EQ(refusal(""), 400);
  EXPECT_EQ(refusal("--YY--"), 400);
  EXPECT_EQ(refusal("--XX"), 400);
  EXPECT_EQ(refusal("--XX\r\n"), 400);
  EXPECT_EQ(refusal("--XX\r\n\r\ndata\r\n--XX--"), 400) << "no name";
  EXPECT_EQ(refusal("--XX\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nno end"), 400);
  EXPECT_EQ(
      refusal("--XX\r\nContent-Disposition: form-data; name=\"" + std::string(1 << 20, 'n') + "\"\r\n\r\n1\r\n--XX--"),
      400);
  EXPECT_EQ(refusal("--XX--", "application/json"), 400);
  EXPECT_EQ(refusal("--XX--", "multipart/form-data"), 400);
}

TEST(Multipart, TooManyParts) {
  std::string body;
  for (int i = 0; i < 10000; ++i) body += "--XX\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n";
  EXPECT_EQ(refusal(body + "--XX--"), 400);
}

// Cut anywhere: an answer, never a crash.
TEST(Multipart, AnyPrefix) {
  const std::string body =
      "--XX\r\nContent-Disposition: form-data; name=\"image\"; filename=\"x\"\r\n\r\nabc\r\n--XX--\r\n";
  for (size_t length = 0; length < body.size(); ++length) {
    const int status = refusal(body.substr(0, length));
    EXPECT_TRUE(status == 400 || length >= body.size() - 4) << length;
  }
}

}  // namespace
}  // namespace easel::server
