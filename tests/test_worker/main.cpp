// easel-test-worker: a worker without torch, started by tests in place of easel-worker and with its flags.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "folders/folders.h"
#include "folders/publication.h"
#include "graph/describe.h"
#include "test_worker/test_nodes.h"
#include "wire/serve.h"
#include "wire/spawn.h"

int main(int argc, char** argv) try {
  using namespace easel;
  FolderOptions folders{.base = "."};
  int fd = wire::kWorkerFd;
  bool describe_only = false;
  CLI::App app("A worker of test nodes.");
  app.allow_extras();
  app.add_flag("--describe", describe_only);
  app.add_option("--fd", fd);
  app.add_option("--base-directory", folders.base);
  app.add_option("--input-directory", folders.input);
  app.add_option("--output-directory", folders.output);
  app.add_option("--temp-directory", folders.temp);
  std::string publications;
  double stall_timeout = 0;
  app.add_option("--publications", publications);
  app.add_option("--stall-timeout", stall_timeout);
  CachePolicy cache;
  app.add_option_function<size_t>(
      "--cache-lru", [&](size_t entries) { cache = {CachePolicy::Kind::kLru, entries}; });
  app.add_flag_callback("--cache-none", [&] { cache.kind = CachePolicy::Kind::kNone; });
  CLI11_PARSE(app, argc, argv);

  const Folders places(folders);
  Registry registry;
  test::add_test_nodes(registry);
  test::add_power_nodes(registry);
  test::add_recorded_nodes(registry, places.output(), places.temp());
  if (describe_only) return std::fputs(describe(registry).c_str(), stdout) < 0;
  const wire::Device cpu{.name = "cpu", .type = "cpu", .vram_total = 1 << 30, .vram_free = 1 << 29};
  return wire::serve(fd, registry,
                     {.version = "test",
                      .pytorch_version = "none",
                      .devices = [=] { return std::vector{cpu}; },
                      .list_models =
                          [] {
                            return std::vector{wire::ModelFile{"checkpoints", "test.safetensors", "SD1", 1234}};
                          },
                      .before_prompt =
                          [&](const std::string& prompt_id) {
                            if (!publications.empty())
                              folders::note_publications(folders::journal_of(publications, prompt_id));
                          },
                      .stall_limit = std::chrono::milliseconds(std::llround(stall_timeout * 1000))});
} catch (const std::exception& error) {
  std::fprintf(stderr, "easel-test-worker: %s\n", error.what());
  return 1;
}
