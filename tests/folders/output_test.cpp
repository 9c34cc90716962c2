#include "folders/output.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <thread>

#include "base/error.h"
#include "folders/resolve.h"
#include "folders/scratch.h"

namespace easel::folders {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> all_names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(OutputName, CountsOnFromWhatIsThere) {
  const Scratch scratch;
  EXPECT_EQ(next_output_name(scratch.path(), "fox").counter, 1);
  for (const char* name :
       {"fox_00001_.png", "fox_00007_.png", "fox_00003_x.webp", "fox_12.png", "foxy_00099_.png", "fox_x_.png"}) {
    scratch.write(name);
  }
  EXPECT_EQ(next_output_name(scratch.path(), "fox").counter, 8);
  const OutputName name = next_output_name(scratch.path(), "deep/er/fox");
  EXPECT_EQ(name.folder, scratch.path() / "deep/er");
  EXPECT_EQ(name.subfolder, "deep/er");
  EXPECT_EQ(name.filename, "fox");
  EXPECT_TRUE(fs::is_directory(name.folder));
  EXPECT_EQ(numbered("fox", 7, ".png"), "fox_00007_.png");
}

TEST(OutputName, ReplacesWords) {
  const Scratch scratch;
  EXPECT_EQ(next_output_name(scratch.path(), "%width%x%height%_%batch_num%", 640, 480).filename, "640x480_%batch_num%");
  const std::string date = next_output_name(scratch.path(), "%year%-%month%-%day% %hour%%minute%%second%").filename;
  EXPECT_EQ(date.size(), std::string("2025-01-01 000000").size()) << date;
  EXPECT_EQ(next_output_name(scratch.path(), "").filename, "ComfyUI");
}

TEST(OutputName, RefusesEscapes) {
  const Scratch scratch;
  fs::create_directory_symlink("/tmp", scratch.path() / "link");
  for (const char* prefix : {"../x", "/tmp/x", "a/../../x", "..", "link/x", "a\\b", "."}) {
    EXPECT_THROW(next_output_name(scratch.path(), prefix), Error) << prefix;
  }
  EXPECT_THROW(next_output_name(scratch.path(), std::string(250, 'x')), Error);
}

TEST(OutputFile, AppearsWholeOrNotAtAll) {
  const Scratch scratch;
  {
    OutputFile file(scratch.path());
    file.write("half");
    EXPECT_TRUE(list_files(scratch.path()).empty());
  }
  EXPECT_TRUE(all_names(scratch.path()).empty());
  OutputFile file(scratch.path());
  file.write("whole");
  EXPECT_TRUE(file.publish_new("a.txt"));
  EXPECT_EQ(all_names(scratch.path()), (std::vector<std::string>{"a.txt"}));
  OutputFile second(scratch.path());
  EXPECT_FALSE(second.publish_new("a.txt"));
  second.publish_over("a.txt");
  EXPECT_EQ(fs::file_size(scratch.path() / "a.txt"), 0u);
}

TEST(OutputFile, NeverReplacesAndNeverLosesUnderContention) {
  const Scratch scratch;
  const OutputName name = next_output_name(scratch.path(), "p");
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&] {
      for (int i = 0; i < 25; ++i) publish(name, ".txt", "x");
    });
  }
  for (std::thread& writer : writers) writer.join();
  const auto names = all_names(scratch.path());
  EXPECT_EQ(names.size(), 100u);
  EXPECT_EQ(names.back(), "p_00100_.txt");
}

TEST(OutputFile, FullDiskLeavesNothing) {
  const Scratch scratch;
  const fs::path disk = scratch.path() / "disk";
  fs::create_directory(disk);
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64k") != 0) GTEST_SKIP() << "mounting a tiny tmpfs needs root";
  for (const size_t expected : {size_t{0}, size_t{1'000'000}}) {
    try {
      OutputFile file(disk, expected);
      file.write(std::string(1'000'000, 'x'));
      ADD_FAILURE() << "a full disk was not noticed";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("disk full: need "), std::string::npos) << error.what();
    }
    EXPECT_TRUE(all_names(disk).empty());
  }
  umount(disk.c_str());
}

TEST(OutputFile, SaysWhatTheSystemRefuses) {
  const Scratch scratch;
  scratch.write("file");
  EXPECT_THROW(OutputFile(scratch.path() / "file"), Error);
  OutputFile file(scratch.path());
  EXPECT_THROW(file.publish_over("no/such/folder"), Error);
}

TEST(Sweep, RemovesWhatAKillLeft) {
  const Scratch scratch;
  scratch.write("sub/.easel-12-ab.part");
  scratch.write("sub/keep.part");
  sweep_unfinished(scratch.path());
  EXPECT_EQ(all_names(scratch.path() / "sub"), (std::vector<std::string>{"keep.part"}));
}

}  // namespace
}  // namespace easel::folders
