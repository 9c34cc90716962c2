#include "server/auth.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace easel::server {
namespace {

class AuthTest : public testing::Test {
 protected:
  ~AuthTest() override { std::filesystem::remove(file_); }
  void write(const std::string& text) {
    const auto other = file_.string() + ".new";  // another file each time, as an editor and Kubernetes do it
    std::ofstream(other) << text;
    std::filesystem::rename(other, file_);
  }
  static Request with(const char* header, const std::string& value, const char* path = "/queue") {
    Request request;
    request.method = "GET";
    request.path = path;
    request.headers.emplace_back(header, value);
    return request;
  }
  std::string who(const Request& request, const Auth& auth) {
    const auto caller = auth.caller(request);
    return caller ? caller->user + (caller->sees_all ? "*" : "") : "nobody";
  }
  const std::filesystem::path file_ =
      std::filesystem::path(testing::TempDir()) / ("easel_tokens_" + std::to_string(getpid()));
};

constexpr const char* kTokens =
    "# who may speak\n\nann  ann-0123456789abcdef\nbob bob-0123456789abcdef admin  # he keeps the machine\n"
    "ann second-0123456789abcdef\n";

TEST_F(AuthTest, ATokenNamesItsUser) {
  write(kTokens);
  const Auth auth(file_);
  EXPECT_EQ(who(with("Authorization", "Bearer ann-0123456789abcdef"), auth), "ann");
  EXPECT_EQ(who(with("authorization", "bearer second-0123456789abcdef"), auth), "ann");
  EXPECT_EQ(who(with("Authorization", "Bearer bob-0123456789abcdef"), auth), "bob*");
  for (const char* wrong : {"Bearer ann-0123456789abcde", "Bearer ann-0123456789abcdefg", "Bearer ", "Bearer",
                            "Basic ann-0123456789abcdef", "ann-0123456789abcdef", "Bearer #", "Bearer ann"})
    EXPECT_EQ(who(with("Authorization", wrong), auth), "nobody") << wrong;
  EXPECT_EQ(who(Request(), auth), "nobody");
}

TEST_F(AuthTest, InAnAddressOnlyForSocketsAndPictures) {
  write(kTokens);
  const Auth auth(file_);
  for (const char* path : {"/ws", "/api/ws", "/view", "/api/view"}) {
    Request request;
    request.path = path;
    request.query = "clientId=x&token=ann-0123456789abcdef";
    EXPECT_EQ(who(request, auth), "ann") << path;
  }
  for (const char* path : {"/", "/queue", "/prompt", "/viewx", "/view/x", "/api/queue"}) {
    Request request;
    request.path = path;
    request.query = "token=ann-0123456789abcdef";
    EXPECT_EQ(who(request, auth), "nobody") << path;
  }
}

TEST_F(AuthTest, TheCookieIsNotTheToken) {
  write(kTokens);
  const Auth auth(file_);
  const auto session = auth.session("ann-0123456789abcdef");
  ASSERT_TRUE(session);
  EXPECT_EQ(session->find("ann"), std::string::npos);
  EXPECT_FALSE(auth.session("ann-wrong"));
  EXPECT_EQ(who(with("Cookie", "a=b; easel_session=" + *session + "; c=d"), auth), "ann");
  EXPECT_EQ(who(with("Cookie", "easel_session=ann-0123456789abcdef"), auth), "nobody");
  EXPECT_EQ(who(with("Cookie", "xeasel_session=" + *session), auth), "nobody");
  EXPECT_EQ(who(with("Authorization", "Bearer " + *session), auth), "nobody") << "a cookie is no token";
}

TEST_F(AuthTest, TheFileIsReadAgainWhenItChanges) {
  write(kTokens);
  Auth auth(file_);
  const auto ann = auth.caller(with("Authorization", "Bearer ann-0123456789abcdef"));
  EXPECT_FALSE(auth.reload());
  write("ann third-0123456789abcdef\n");
  EXPECT_TRUE(auth.reload());
  EXPECT_EQ(who(with("Authorization", "Bearer ann-0123456789abcdef"), auth), "nobody");
  EXPECT_EQ(who(with("Authorization", "Bearer third-0123456789abcdef"), auth), "ann");
  EXPECT_FALSE(auth.still_valid(*ann)) << "of the same user, but another token";
  write("ann short\n");
  EXPECT_FALSE(auth.reload()) << "a wrong file changes nothing";
  std::filesystem::remove(file_);
  EXPECT_FALSE(auth.reload());
  EXPECT_EQ(who(with("Authorization", "Bearer third-0123456789abcdef"), auth), "ann");
}

TEST_F(AuthTest, WrongFilesAreRefusedAndTellNoSecret) {
  EXPECT_THROW(Auth("/nowhere/tokens"), Error);
  for (const char* text :
       {"", "# only words\n", "ann\n", "ann short\n", "../x 0123456789abcdef\n", "a/b 0123456789abcdef\n",
        "ann 0123456789abcdef root\n", "ann 0123456789abcdef admin more\n"}) {
    write(text);
    try {
      Auth auth(file_);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("0123456789abcdef"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace easel::server
