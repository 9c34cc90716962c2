#include "folders/folders.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "base/error.h"
#include "folders/scratch.h"

namespace easel {
namespace {

TEST(Folders, RegistersInComfyUisOrderWithItsDirectories) {
  const Scratch scratch;
  const Folders folders({.base = scratch.path()});
  const std::vector<std::string> wanted = {"checkpoints",   "configs",          "loras",         "vae",
                                           "text_encoders", "diffusion_models", "clip_vision",   "style_models",
                                           "embeddings",    "diffusers",        "vae_approx",    "controlnet",
                                           "gligen",        "upscale_models",   "custom_nodes",  "hypernetworks",
                                           "photomaker",    "classifiers",      "model_patches", "audio_encoders"};
  EXPECT_EQ(folders.folder_names(), wanted);
  const auto models = scratch.path() / "models";
  const auto output = scratch.path() / "output";
  using Paths = std::vector<std::filesystem::path>;
  EXPECT_EQ(folders.model_roots("text_encoders"), (Paths{models / "text_encoders", models / "clip", output / "clip"}));
  EXPECT_EQ(folders.model_roots("clip"), folders.model_roots("text_encoders"));
  EXPECT_EQ(folders.model_roots("unet"),
            (Paths{models / "unet", models / "diffusion_models", output / "diffusion_models"}));
  EXPECT_EQ(folders.model_roots("controlnet"), (Paths{models / "controlnet", models / "t2i_adapter"}));
  EXPECT_EQ(folders.model_roots("custom_nodes"), (Paths{scratch.path() / "custom_nodes"}));
  EXPECT_TRUE(folders.model_roots("nonsense").empty());
  EXPECT_EQ(folders.extensions("configs"), (std::vector<std::string>{".yaml"}));
}

TEST(Folders, DirectoriesFollowTheFlags) {
  const Folders folders({.base = "/b", .output = "/elsewhere/out", .temp = "/t"});
  EXPECT_EQ(folders.input(), "/b/input");
  EXPECT_EQ(folders.output(), "/elsewhere/out");
  EXPECT_EQ(folders.temp(), "/t/temp");
  EXPECT_EQ(Folders({.base = "/b"}).temp(), "/b/temp");
  EXPECT_EQ(*folders.directory("output"), "/elsewhere/out");
  EXPECT_EQ(folders.directory("user"), nullptr);
}

TEST(Folders, ListsRecursivelyAndNoticesChanges) {
  const Scratch scratch;
  const auto root = scratch.path() / "models/checkpoints";
  scratch.write("models/checkpoints/b.safetensors");
  scratch.write("models/checkpoints/sub/a.CKPT");
  scratch.write("models/checkpoints/readme.txt");
  scratch.write("models/checkpoints/.git/c.ckpt");
  scratch.write("models/checkpoints/._b.safetensors");
  scratch.write("output/checkpoints/b.safetensors");
  scratch.write("elsewhere/linked.pt");
  std::filesystem::create_directory_symlink(scratch.path() / "elsewhere", root / "other");
  std::filesystem::create_directory_symlink(root, root / "sub/loop");
  std::filesystem::create_symlink("/nonexistent", root / "dangling.pt");
  mkfifo((root / "pipe.pt").c_str(), 0600);
  const Folders folders({.base = scratch.path()});
  EXPECT_EQ(folders.list("checkpoints"), (std::vector<std::string>{"b.safetensors", "other/linked.pt", "sub/a.CKPT"}));

  scratch.write("models/checkpoints/sub/new.pt");  // at once, within the clock's grain
  EXPECT_EQ(folders.list("checkpoints").size(), 4u);
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  EXPECT_EQ(folders.list("checkpoints").size(), 4u);
  std::filesystem::remove(root / "sub/new.pt");
  EXPECT_EQ(folders.list("checkpoints").size(), 3u);
  EXPECT_TRUE(folders.list("nonsense").empty());
}

TEST(Folders, FindsTheFirstAndRefusesEscapes) {
  const Scratch scratch;
  scratch.write("models/loras/sub/x.safetensors");
  scratch.write("output/loras/y.safetensors");
  scratch.write("secret.safetensors");
  const Folders folders({.base = scratch.path()});
  EXPECT_EQ(folders.find("loras", "sub/x.safetensors"), scratch.path() / "models/loras/sub/x.safetensors");
  EXPECT_EQ(folders.find("loras", "y.safetensors"), scratch.path() / "output/loras/y.safetensors");
  for (const char* name :
       {"../../secret.safetensors", "/etc/passwd", "sub", "", ".", "absent.pt", "sub\\x.safetensors"}) {
    EXPECT_FALSE(folders.find("loras", name)) << name;
  }
  EXPECT_THROW(folders.at("loras", "absent.pt"), Error);
}

TEST(Folders, ReadsExtraModelPaths) {
  const Scratch scratch;
  setenv("EASEL_TEST_STORE", (scratch.path() / "store").c_str(), 1);
  scratch.write(
      "extra_model_paths.yaml",
      "a111:\n  base_path: ${EASEL_TEST_STORE}/webui\n  is_default: true\n"
      "  checkpoints: models/Stable-diffusion/\n  loras: |\n    models/Lora\n    models/LyCORIS\n"
      "  clip: models/te\nempty:\nmine:\n  base_path: here/\n  my_models: things\n  vae: /abs/vae\n  unet:\n");
  const Folders folders({.base = scratch.path()});
  const auto webui = scratch.path() / "store/webui/models";
  EXPECT_EQ(folders.model_roots("checkpoints").front(), webui / "Stable-diffusion");
  EXPECT_EQ(folders.model_roots("loras")[0], webui / "LyCORIS");  // each default goes to the front, the last one wins
  EXPECT_EQ(folders.model_roots("loras")[1], webui / "Lora");
  EXPECT_EQ(folders.model_roots("text_encoders").front(), webui / "te");
  EXPECT_EQ(folders.model_roots("my_models").front(), scratch.path() / "here/things");
  EXPECT_EQ(folders.model_roots("vae")[1], "/abs/vae");
  EXPECT_EQ(folders.folder_names().back(), "my_models");
  scratch.write("here/things/anything.xyz");
  EXPECT_EQ(folders.list("my_models"), (std::vector<std::string>{"anything.xyz"}));

  for (const char* bad :
       {"- a\n- b\n", "a: [1, 2\n", "a:\n  loras: {x: y}\n", "a: text\n", "a:\n  is_default: perhaps\n"}) {
    scratch.write("bad.yaml", bad);
    EXPECT_THROW(Folders({.base = scratch.path(), .extra_model_paths = {scratch.path() / "bad.yaml"}}), Error) << bad;
  }
  EXPECT_THROW(Folders({.base = scratch.path(), .extra_model_paths = {scratch.path() / "absent.yaml"}}), Error);
}

}  // namespace
}  // namespace easel
