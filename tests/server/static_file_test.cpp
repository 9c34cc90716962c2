#include "server/static_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace easel::server {
namespace {

namespace fs = std::filesystem;

class StaticFileTest : public testing::Test {
 protected:
  StaticFileTest() : root_(fs::temp_directory_path() / ("easel-static-" + std::to_string(getpid()))) {
    fs::create_directories(root_ / "assets");
    std::ofstream(root_ / "a.js") << "0123456789";
    std::ofstream(root_ / "assets/index.html") << "<p>";
  }
  ~StaticFileTest() override { fs::remove_all(root_); }

  Response ask(const std::string& name, const Headers& headers = {}) {
    Request request;
    request.method = "GET";
    request.headers = headers;
    try {
      return static_response(request, root_, name);
    } catch (const HttpError& error) {
      return empty_response(error.status);
    }
  }
  static std::string header(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers)
      if (key == name) return value;
    return "";
  }
  fs::path root_;
};

TEST_F(StaticFileTest, TypesThatThePageInsistsOn) {
  EXPECT_EQ(mime_type("a.js"), "application/javascript");
  EXPECT_EQ(mime_type("a.MJS"), "application/javascript");
  EXPECT_TRUE(mime_type("index.json").starts_with("application/json"));
  EXPECT_TRUE(mime_type("a.md").starts_with("text/markdown"));
  EXPECT_EQ(mime_type("a.unknown"), "application/octet-stream");
  EXPECT_EQ(mime_type("noending"), "application/octet-stream");
}

TEST_F(StaticFileTest, WholeAndRevalidated) {
  const Response whole = ask("a.js");
  ASSERT_TRUE(whole.file);
  EXPECT_EQ(whole.file->length, 10u);
  const std::string tag = header(whole, "ETag"), date = header(whole, "Last-Modified");
  EXPECT_EQ(ask("a.js", {{"If-None-Match", tag}}).status, 304);
  EXPECT_EQ(ask("a.js", {{"If-None-Match", "\"other\""}}).status, 200);
  EXPECT_EQ(ask("a.js", {{"If-Modified-Since", date}}).status, 304);
  EXPECT_EQ(ask("a.js", {{"If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"}}).status, 200);
}

TEST_F(StaticFileTest, Ranges) {
  const auto range = [&](const char* header) { return ask("a.js", {{"Range", header}}); };
  EXPECT_EQ(range("bytes=2-4").status, 206);
  EXPECT_EQ(range("bytes=2-4").file->offset, 2u);
  EXPECT_EQ(range("bytes=2-4").file->length, 3u);
  EXPECT_EQ(range("bytes=-3").file->offset, 7u);
  EXPECT_EQ(range("bytes=-99").file->length, 10u);
  EXPECT_EQ(range("bytes=5-").file->length, 5u);
  EXPECT_EQ(range("bytes=5-999").file->length, 5u);
  EXPECT_EQ(range("bytes=10-").status, 416);
  EXPECT_EQ(range("bytes=-0").status, 416);
  for (const char* odd :
       {"bytes=4-2", "bytes=a-b", "bytes=", "lines=1-2", "bytes=0-1,3-4", "bytes=99999999999999999999-"})
    EXPECT_EQ(range(odd).status, 200) << odd;
  EXPECT_EQ(ask("a.js", {{"Range", "bytes=0-1"}, {"If-Range", "\"other\""}}).status, 200);
}

TEST_F(StaticFileTest, OnlyRegularFilesInsideTheRoot) {
  EXPECT_EQ(ask("none").status, 404);
  EXPECT_EQ(ask("../" + root_.filename().string() + "/a.js").status, 404);
  EXPECT_EQ(ask("assets").status, 200) << "its index.html";
  fs::create_symlink("/etc/hostname", root_ / "link");
  EXPECT_EQ(ask("link").status, 404);
  ASSERT_EQ(mkfifo((root_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(ask("fifo").status, 404) << "and it does not wait";
}

TEST_F(StaticFileTest, HeaderQuoting) {
  EXPECT_EQ(header_quoted("a.png"), "\"a.png\"");
  EXPECT_EQ(header_quoted("a\"\r\nX: y"), "\"a\\\"__X: y\"");
}

}  // namespace
}  // namespace easel::server
