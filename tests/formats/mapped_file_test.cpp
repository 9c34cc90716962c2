#include "formats/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "base/error.h"

namespace easel {
namespace {

namespace fs = std::filesystem;

// In a process of its own: what was cut is remembered as long as one lives.
TEST(MappedFile, CutShortWhileMappedIsAnErrorThatNamesIt) {
  const fs::path path = fs::temp_directory_path() / fmt::format("easel-mapped-{}", getpid());
  std::ofstream(path) << std::string(100'000, 'x');
  const pid_t child = fork();
  if (child == 0) {
    const auto file = MappedFile::open("test", path);
    check_mapped_files("test");
    fs::resize_file(path, 10'000);
    const auto bytes = file->bytes();
    int bad = static_cast<char>(bytes[9'999]) != 'x';
    bad += static_cast<char>(bytes[50'000]) != 0 || static_cast<char>(bytes[99'999]) != 0;
    try {
      check_mapped_files("test");
      bad += 10;
    } catch (const Error& error) {
      bad += !std::strstr(error.what(), path.c_str()) || !std::strstr(error.what(), "cut short");
    }
    _exit(bad);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  fs::remove(path);
}

TEST(MappedFile, AnotherBusErrorStillEndsTheProcess) {
  const pid_t child = fork();
  if (child == 0) {
    const auto file = MappedFile::open("test", "/proc/self/exe");
    raise(SIGBUS);
    raise(SIGBUS);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

}  // namespace
}  // namespace easel
