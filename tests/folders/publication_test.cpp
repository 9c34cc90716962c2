#include "folders/publication.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/crash_point.h"
#include "base/error.h"
#include "folders/output.h"
#include "folders/scratch.h"

namespace easel::folders {
namespace {

namespace fs = std::filesystem;

// Notes are a matter of the whole process; each test gives its own back.
class PublicationTest : public testing::Test {
 protected:
  void TearDown() override { note_publications({}); }
  fs::path output() const { return scratch_.path() / "output"; }
  fs::path journal() const { return scratch_.path() / "journal"; }
  std::string save(const std::string& prefix, Lasting lasting = Lasting::kYes) const {
    return publish(next_output_name(output(), prefix), ".txt", prefix, lasting);
  }

  const Scratch scratch_;
};

TEST_F(PublicationTest, TakesBackWhatARunPublished) {
  save("before");
  note_publications(journal());
  save("a"), save("a"), save("sub/b");
  save("preview", Lasting::kNo);
  EXPECT_EQ(take_back(journal()), 3u);
  EXPECT_TRUE(fs::exists(output() / "before_00001_.txt"));
  EXPECT_TRUE(fs::exists(output() / "preview_00001_.txt")) << "what is not lasting is not noted";
  EXPECT_FALSE(fs::exists(output() / "a_00001_.txt") || fs::exists(output() / "a_00002_.txt"));
  EXPECT_FALSE(fs::exists(output() / "sub/b_00001_.txt"));
  EXPECT_FALSE(fs::exists(journal()));
}

TEST_F(PublicationTest, KeepsWhatIsListed) {
  note_publications(journal());
  save("a"), save("b");
  EXPECT_EQ(take_back(journal(), [](const fs::path& path) { return path.filename() == "a_00001_.txt"; }), 1u);
  EXPECT_TRUE(fs::exists(output() / "a_00001_.txt"));
}

TEST_F(PublicationTest, AFileThatIsNotTheSameAnyMoreIsLeftAlone) {
  note_publications(journal());
  const fs::path file = output() / save("a");
  std::ofstream(output() / "other") << "somebody else's";
  fs::rename(output() / "other", file);
  EXPECT_EQ(take_back(journal()), 0u);
  EXPECT_TRUE(fs::exists(file));
}

TEST_F(PublicationTest, NothingIsMadeWithoutAFileAndNothingTakenWithoutAJournal) {
  note_publications(journal());
  EXPECT_FALSE(fs::exists(journal()));
  EXPECT_EQ(take_back(journal()), 0u);
}

TEST_F(PublicationTest, ATornLastNoteIsDropped) {
  note_publications(journal());
  const fs::path file = output() / save("a");
  fs::resize_file(journal(), fs::file_size(journal()) - 1);
  EXPECT_EQ(take_back(journal()), 0u);
  EXPECT_TRUE(fs::exists(file));
  std::ofstream(journal()) << "rubbish" << '\0' << "1 x /etc/passwd" << '\0';
  EXPECT_EQ(take_back(journal()), 0u);
}

// The moments at which kill -9 may come, each in a process of its own.
TEST_F(PublicationTest, KilledWhilePublishing) {
  for (const char* phase : {"encode", "rename"})
    for (int passing = 1; passing <= 4; ++passing) {
      const pid_t child = fork();
      if (child == 0) {
        crash_plan().arm(fmt::format("{}:{}", phase, passing));
        note_publications(journal());
        save("a"), save("a");
        _exit(0);
      }
      int status = 0;
      waitpid(child, &status, 0);
      EXPECT_TRUE(WIFSIGNALED(status)) << phase << passing;
      sweep_unfinished(output(), child);
      take_back(journal());
      EXPECT_TRUE(fs::is_empty(output())) << phase << passing;
    }
}

TEST(Counters, FollowWhatOthersDoInTheFolder) {
  const Scratch scratch;
  const auto next = [&] { return next_output_name(scratch.path(), "p").counter; };
  for (int64_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(next(), i);
    publish(next_output_name(scratch.path(), "p"), ".txt", "x");
  }
  usleep(20'000);  // a folder's time of change has the granularity of the kernel's ticks
  scratch.write("p_00009_.txt");
  EXPECT_EQ(next(), 10);
  fs::remove(scratch.path() / "p_00009_.txt");
  EXPECT_EQ(next(), 4);
}

}  // namespace
}  // namespace easel::folders
