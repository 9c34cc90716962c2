#include "server/retention.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const std::vector<NamedFolder> kFolders{{"temp", "/t"}, {"output", "/o"}};

TEST(Retention, RulesAreRead) {
  const auto rules = parse_retention("temp=90m,output=4w", kFolders);
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].folder, "/t");
  EXPECT_EQ(rules[0].age, 90min);
  EXPECT_EQ(rules[1].age, 28 * 24h);
  EXPECT_TRUE(parse_retention("", kFolders).empty());
}

TEST(Retention, OtherRulesAreRefused) {
  for (const char* text : {"temp", "temp=", "temp=1", "temp=d", "temp=-1d", "temp=0s", "temp=1y", "temp=1dd", "user=1d",
                           "=1d", "temp=1d,,output=1d", "temp=99999999999999999999d"})
    EXPECT_THROW(parse_retention(text, kFolders), Error) << text;
}

class OldFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("easel-retention-{}", getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const fs::path& name, std::chrono::hours age) const {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "x";
    fs::last_write_time(path, fs::file_time_type::clock::now() - age);
    return path;
  }
  fs::path folder_;
};

TEST_F(OldFiles, GoAndWhatTheyLeaveEmptyGoesToo) {
  const auto old = write("a.png", 30h), deep = write("x/y/b.png", 30h), young = write("x/c.png", 1h);
  fs::create_directories(folder_ / "mine");
  EXPECT_EQ(remove_old_files({folder_, 24h}), 2u);
  EXPECT_FALSE(fs::exists(old) || fs::exists(deep) || fs::exists(folder_ / "x/y"));
  EXPECT_TRUE(fs::exists(young) && fs::exists(folder_ / "mine")) << "an empty folder that was empty before stays";
}

TEST_F(OldFiles, ASymlinkLeadsNowhere) {
  const fs::path elsewhere = folder_.string() + "-elsewhere";
  fs::create_directories(elsewhere);
  std::ofstream(elsewhere / "precious") << "x";
  fs::last_write_time(elsewhere / "precious", fs::file_time_type::clock::now() - 100h);
  fs::create_directory_symlink(elsewhere, folder_ / "link");
  fs::create_symlink(elsewhere / "precious", folder_ / "file");
  EXPECT_EQ(remove_old_files({folder_, 24h}), 0u);
  EXPECT_TRUE(fs::exists(elsewhere / "precious") && fs::is_symlink(folder_ / "link"));
  fs::remove_all(elsewhere);
}

TEST_F(OldFiles, TheThreadDoesItAtTheStart) {
  const auto old = write("a.png", 30h);
  const Retention retention({{folder_, 24h}});
  for (int i = 0; i < 1000 && fs::exists(old); ++i) usleep(10'000);
  EXPECT_FALSE(fs::exists(old));
}

}  // namespace
}  // namespace easel::server
