// easel: the server and the command line.
#include <signal.h>

#include <cstdio>

#include "app/commands.h"
#include "app/program.h"
#include "base/log.h"
#include "server/version.h"

namespace {

using namespace easel;

// Adds what every subcommand takes.
CLI::App* subcommand(CLI::App& app, app::Flags& flags, std::string& worker, const char* name, const char* about) {
  CLI::App* command = app.add_subcommand(name, about);
  command->add_option("--worker", worker, "the worker program (easel-worker beside this one)")
      ->check(CLI::ExistingFile);
  flags.add_to(*command);
  return command;
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);  // a client or worker that is gone shows in the result of the write
  CLI::App app("easel: a node-graph engine and server for image generation");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("easel ") + server::kVersion);
  std::string worker;
  app::Flags serve_flags, run_flags, models_flags;
  app::RunRequest request;
  CLI::App* serve = subcommand(app, serve_flags, worker, "serve", "start the server");
  CLI::App* run = subcommand(app, run_flags, worker, "run", "run a workflow (API format) without a server");
  run->add_option("workflow", request.workflow, "the file, - for stdin")->required();
  run->add_option("--set", request.changes, "change an input: NODE.INPUT=VALUE, where NODE is an id or a title")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  run->add_option("--output", request.output, "folder for what is made");
  subcommand(app, models_flags, worker, "models", "list the model files and what each is taken for");
  CLI11_PARSE(app, argc, argv);

  const app::Flags& flags = *serve ? serve_flags : *run ? run_flags : models_flags;
  try {
    app::set_up_logging(flags);
    for (const std::string& warning : flags.warnings()) log::warn("{}", warning);
    if (*serve) return app::serve(flags, worker, {argv, argv + argc});
    return *run ? app::run(flags, worker, request) : app::list_models(flags, worker);
  } catch (const std::exception& error) {
    log::error("{}", error.what());
    return 1;
  }
}
