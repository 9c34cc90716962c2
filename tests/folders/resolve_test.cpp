#include "folders/resolve.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "folders/scratch.h"

namespace easel::folders {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

TEST(Resolve, TakesOrdinaryNames) {
  const Scratch scratch;
  scratch.write("root/sub/a.png");
  const fs::path root = scratch.path() / "root";
  EXPECT_EQ(resolve(root, "sub", "a.png", Want::kFile).path, root / "sub/a.png");
  EXPECT_EQ(resolve(root, "", "sub/a.png", Want::kFile).path, root / "sub/a.png");
  EXPECT_EQ(resolve(root, "./sub//", "./a.png", Want::kFile).path, root / "sub/a.png");
  EXPECT_EQ(resolve(root, "new/deep", "b.png").path, root / "new/deep/b.png");
  EXPECT_EQ(resolve(root, "sub", "").path, root / "sub");
  EXPECT_EQ(resolve(root, "", "a..b 100%.png ").path, root / "a..b 100%.png ");
  EXPECT_EQ(resolve(root, "", "ÿ 狐.png").path, root / "ÿ 狐.png");
}

// Every string in every field: refused, or a path below the root.
TEST(Resolve, HoldsEveryTrick) {
  const Scratch scratch;
  scratch.write("root/x/a.png");
  scratch.write("secret");
  const fs::path root = scratch.path() / "root";
  fs::create_symlink(scratch.path() / "secret", root / "leak");
  fs::create_directory_symlink(scratch.path(), root / "up");
  fs::create_symlink("/nonexistent/target", root / "dangling");
  fs::create_symlink(root / "loop", root / "loop");
  const std::string long_name(256, 'n'), longer(5000, 'p');
  const std::string_view tricks[] = {"..",
                                     "../secret",
                                     "x/../../secret",
                                     "/etc/passwd",
                                     "//etc/passwd",
                                     "..\\secret",
                                     "x\\..\\..",
                                     "C:\\x",
                                     "%2e%2e%2fsecret",
                                     "%2e%2e",
                                     "%252e%252e%252fsecret",
                                     "%25252e%25252e/secret",
                                     "..%2fsecret",
                                     "%2fetc",
                                     "a%00b",
                                     "a%5cb",
                                     "a\0b"sv,
                                     "\0"sv,
                                     "\xc0\xae\xc0\xae/secret"sv,
                                     "\xff\xfe"sv,
                                     "leak",
                                     "up/secret",
                                     "up",
                                     "dangling",
                                     "loop",
                                     "loop/a",
                                     long_name,
                                     longer,
                                     "x/a.png/..",
                                     "./../secret",
                                     "/proc/self/environ",
                                     "x/./../../secret",
                                     "..\xef\xbc\x8f/../secret"sv};
  for (std::string_view trick : tricks) {
    EXPECT_FALSE(resolve(root, "", trick)) << trick;
    EXPECT_FALSE(resolve(root, trick, "a.png")) << trick;
    EXPECT_FALSE(resolve(root, "x", trick, Want::kFile)) << trick;
    EXPECT_FALSE(resolve(root, "", trick, Want::kFile).reason.empty()) << trick;
  }
}

TEST(Resolve, SaysWhatIsWrong) {
  const Scratch scratch;
  const fs::path root = scratch.path();
  scratch.write("file");
  fs::create_directory(root / "folder");
  mkfifo((root / "pipe").c_str(), 0600);
  fs::create_symlink("/dev/zero", root / "zero");
  fs::create_symlink(root / "file", root / "inside");
  EXPECT_EQ(resolve(root, "", "../x").verdict, Verdict::kOutside);
  EXPECT_EQ(resolve(root, "", "/x").verdict, Verdict::kOutside);
  EXPECT_EQ(resolve(root, "", "").verdict, Verdict::kBadName);
  EXPECT_EQ(resolve(root, "", ".").verdict, Verdict::kBadName);
  EXPECT_EQ(resolve(root, "", "absent", Want::kFile).verdict, Verdict::kMissing);
  EXPECT_EQ(resolve(root, "file", "x", Want::kFile).verdict, Verdict::kMissing);
  EXPECT_EQ(resolve(root, "", "folder", Want::kFile).verdict, Verdict::kNotAFile);
  EXPECT_EQ(resolve(root, "", "pipe", Want::kFile).verdict, Verdict::kNotAFile);
  EXPECT_EQ(resolve(root, "", "zero", Want::kFile).verdict, Verdict::kOutside);
  EXPECT_EQ(resolve(root, "", "inside", Want::kFile).path, root / "file");
  EXPECT_THROW(must_resolve("test", root, "", "absent"), Error);
}

TEST(Resolve, NoRootIsNotTheCurrentFolder) {
  ASSERT_FALSE(fs::is_empty(fs::current_path()));
  for (const auto& entry : fs::directory_iterator(fs::current_path()))
    EXPECT_EQ(resolve("", "", entry.path().filename().string()).verdict, Verdict::kMissing);
}

TEST(Resolve, SplitsAnnotations) {
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(split_annotation("x.png [output]"), (Pair{"x.png", "output"}));
  EXPECT_EQ(split_annotation("s/x.png [temp]"), (Pair{"s/x.png", "temp"}));
  EXPECT_EQ(split_annotation("x.png"), (Pair{"x.png", "input"}));
  EXPECT_EQ(split_annotation("x.png [other]", "output"), (Pair{"x.png [other]", "output"}));
}

TEST(Resolve, KnowsKindsByExtension) {
  EXPECT_TRUE(is_of_kind("a.PNG", "image"));
  EXPECT_TRUE(is_of_kind("a.latent", "latent"));
  EXPECT_TRUE(is_of_kind("anything", ""));
  EXPECT_FALSE(is_of_kind("a.txt", "image"));
  EXPECT_FALSE(is_of_kind("png", "image"));
  EXPECT_FALSE(is_of_kind("a.png", "nonsense"));
}

}  // namespace
}  // namespace easel::folders
