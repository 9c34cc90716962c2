#include "folders/index.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "folders/folders.h"
#include "folders/scratch.h"

namespace easel::folders {
namespace {

namespace fs = std::filesystem;

// What the index says after it has settled; sorted.
std::vector<std::string> files(Index& index, const fs::path& root) {
  index.settle();
  const auto listing = index.files(root);
  std::vector<std::string> names = listing ? listing->files : std::vector<std::string>{"not read yet"};
  std::sort(names.begin(), names.end());
  return names;
}

using Names = std::vector<std::string>;

// The same story with watches, without any (times only), and with one watch too few.
class IndexFollows : public testing::TestWithParam<int> {};

TEST_P(IndexFollows, FilesAndFolders) {
  const Scratch scratch;
  const fs::path root = scratch.path() / "models/loras";
  Index index({.max_watches = GetParam(), .patience_ms = 20'000});
  index.add(root);
  EXPECT_EQ(files(index, root), Names());  // neither models/ nor loras/ is there

  scratch.write("models/loras/a.pt");
  EXPECT_EQ(files(index, root), Names({"a.pt"}));
  scratch.write("models/loras/sub/deep/b.pt");
  EXPECT_EQ(files(index, root), Names({"a.pt", "sub/deep/b.pt"}));
  scratch.write("models/loras/sub/deep/c.pt");
  EXPECT_EQ(files(index, root).size(), 3u);
  fs::rename(root / "sub/deep/c.pt", root / "c.pt");
  EXPECT_EQ(files(index, root), Names({"a.pt", "c.pt", "sub/deep/b.pt"}));
  fs::rename(root / "sub", root / "other");
  EXPECT_EQ(files(index, root), Names({"a.pt", "c.pt", "other/deep/b.pt"}));
  scratch.write("models/loras/other/deep/d.pt");  // in a folder that was moved
  EXPECT_EQ(files(index, root).size(), 4u);
  fs::remove(root / "a.pt");
  fs::remove_all(root / "other");
  EXPECT_EQ(files(index, root), Names({"c.pt"}));
  fs::rename(root, scratch.path() / "models/away");
  EXPECT_EQ(files(index, root), Names());
  fs::rename(scratch.path() / "models/away", root);
  EXPECT_EQ(files(index, root), Names({"c.pt"}));

  scratch.write("elsewhere/linked.pt");
  fs::create_directory_symlink(scratch.path() / "elsewhere", root / "link");
  EXPECT_EQ(files(index, root), Names({"c.pt", "link/linked.pt"}));
  scratch.write("elsewhere/more.pt");
  EXPECT_EQ(files(index, root), Names({"c.pt", "link/linked.pt", "link/more.pt"}));
}

INSTANTIATE_TEST_SUITE_P(Watches, IndexFollows, testing::Values(50'000, 1, 0));

TEST(Index, GenerationGrowsOnlyWithChanges) {
  const Scratch scratch;
  scratch.write("root/a.pt");
  Index index({.patience_ms = 20'000});
  index.add(scratch.path() / "root");
  index.settle();
  const uint64_t before = index.generation();
  index.settle();
  EXPECT_EQ(index.generation(), before);
  scratch.write("root/b.pt");
  index.settle();
  EXPECT_GT(index.generation(), before);
}

TEST(Index, ManyChangesAtOnce) {
  const Scratch scratch;
  fs::create_directories(scratch.path() / "root");
  Index index({.patience_ms = 30'000});
  index.add(scratch.path() / "root");
  index.settle();
  for (int i = 0; i < 3000; ++i) scratch.write("root/" + std::to_string(i) + ".pt");
  EXPECT_EQ(files(index, scratch.path() / "root").size(), 3000u);
}

// A disk that does not answer until it is let go.
class SlowDisk {
 public:
  Listing walk(const fs::path& root, const Enter& enter) {
    if (root.filename() == "slow") {
      ++readings;
      std::unique_lock lock(mutex_);
      released_.wait(lock, [this] { return !hangs_; });
    }
    return folders::walk(root, enter);
  }
  void hang(bool hangs) {
    const std::lock_guard lock(mutex_);
    hangs_ = hangs;
    released_.notify_all();
  }
  std::atomic<int> readings = 0;

 private:
  std::mutex mutex_;
  std::condition_variable released_;
  bool hangs_ = false;
};

TEST(Index, ASlowDiskIsWaitedForOnceAndHoldsUpNoOther) {
  const Scratch scratch;
  scratch.write("slow/a.pt");
  scratch.write("fast/b.pt");
  const auto disk = std::make_shared<SlowDisk>();
  Index index({.walk = [disk](const fs::path& root, const Enter& enter) { return disk->walk(root, enter); },
               .patience_ms = 1500});
  for (const char* root : {"slow", "fast", "zzz"}) index.add(scratch.path() / root);
  EXPECT_EQ(files(index, scratch.path() / "slow"), Names({"a.pt"}));

  disk->hang(true);
  scratch.write("slow/new.pt");
  EXPECT_EQ(files(index, scratch.path() / "slow"), Names({"a.pt"}));  // what was known
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) {
    scratch.write("fast/" + std::to_string(i) + ".pt");
    EXPECT_EQ(files(index, scratch.path() / "fast").size(), i + 2u);
    EXPECT_EQ(index.files(scratch.path() / "slow")->files.size(), 1u);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(50));  // waiting each time: 75 s
  EXPECT_EQ(disk->readings, 2);

  disk->hang(false);
  for (int i = 0; i < 200 && files(index, scratch.path() / "slow").size() < 2; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(files(index, scratch.path() / "slow"), Names({"a.pt", "new.pt"}));
}

TEST(Index, EndsWhileADiskHangs) {
  const Scratch scratch;
  scratch.write("slow/a.pt");
  const auto disk = std::make_shared<SlowDisk>();
  disk->hang(true);
  {
    Index index({.walk = [disk](const fs::path& root, const Enter& enter) { return disk->walk(root, enter); },
                 .patience_ms = 50});
    index.add(scratch.path() / "slow");
    index.settle();
    EXPECT_EQ(index.files(scratch.path() / "slow"), nullptr);
  }
  disk->hang(false);  // its reader ends by itself
  while (disk.use_count() > 1) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

TEST(Index, LegacyNamesOfExtraPaths) {
  const Scratch scratch;
  scratch.write("extra_model_paths.yaml",
                "old:\n  base_path: shared\n  is_default: true\n  unet: |\n    unets\n    more/unets\n  clip: te\n"
                "  custom: own\nsecond:\n  is_default: true\n  checkpoints: ckpts\n  loras: ~\n");
  scratch.write("shared/unets/u.safetensors");
  scratch.write("shared/more/unets/v.safetensors");
  scratch.write("shared/te/t.safetensors");
  scratch.write("shared/own/x.bin5");
  scratch.write("ckpts/c.ckpt");
  const Folders folders({.base = scratch.path()});
  EXPECT_EQ(folders.list("diffusion_models"), Names({"u.safetensors", "v.safetensors"}));
  EXPECT_EQ(folders.list("unet"), folders.list("diffusion_models"));
  EXPECT_EQ(folders.list("text_encoders"), Names({"t.safetensors"}));
  EXPECT_EQ(folders.list("custom"), Names({"x.bin5"}));
  EXPECT_EQ(folders.list("checkpoints"), Names({"c.ckpt"}));
  EXPECT_EQ(folders.model_roots("checkpoints").front(), scratch.path() / "ckpts");
  EXPECT_EQ(folders.model_roots("unet").front(), scratch.path() / "shared/more/unets");  // the last of those in front
}

}  // namespace
}  // namespace easel::folders
