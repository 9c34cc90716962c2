#include "app/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "base/error.h"
#include "graph/describe.h"
#include "server/users.h"
#include "wire/spawn.h"

namespace easel::app {

namespace fs = std::filesystem;

fs::path program_folder() { return fs::read_symlink("/proc/self/exe").parent_path(); }

std::vector<std::string> worker_command(const Flags& flags, const std::string& worker) {
  std::vector<std::string> command{worker.empty() ? (program_folder() / "easel-worker").string() : worker};
  command.insert(command.end(), {"--fd", std::to_string(wire::kWorkerFd)});
  const auto arguments = flags.for_worker();
  command.insert(command.end(), arguments.begin(), arguments.end());
  // libgomp's threads spin for milliseconds between kernels: on a busy machine small models ran 8 times slower.
  setenv("GOMP_SPINCOUNT", "10000", /*overwrite=*/0);
  return command;
}

std::string output_of(const std::vector<std::string>& argv) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("output_of: no pipe: {}", std::generic_category().message(errno));
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    fail("'{}' cannot be run: {}", argv[0], std::generic_category().message(error));
  }
  std::string text;
  std::array<char, 65536> chunk;
  for (ssize_t got; (got = read(ends[0], chunk.data(), chunk.size())) != 0;) {
    if (got > 0) text.append(chunk.data(), static_cast<size_t>(got));
    if (got < 0 && errno != EINTR) break;
  }
  close(ends[0]);
  const int status = wire::wait(pid);
  if (status != 0) fail("'{}' {}", argv[0], wire::describe_end(status));
  return text;
}

Registry load_nodes(const Flags& flags, const std::string& worker) {
  const bool testing = flags.has("--testing-nodes");
  if (worker.empty() && !testing) {
    for (const fs::path& file : {program_folder() / "nodes.json", program_folder() / "../share/easel/nodes.json"})
      if (const auto text = server::read_text(file)) return read_nodes(*text);
  }
  std::vector<std::string> command = {worker.empty() ? (program_folder() / "easel-worker").string() : worker,
                                      "--describe"};
  if (testing) command.push_back("--testing-nodes");
  return read_nodes(output_of(command));
}

void set_up_logging(const Flags& flags) {
  spdlog::sink_ptr sink;
  if (flags.has("--log-stdout"))
    sink = std::make_shared<spdlog::sinks::stdout_color_sink_mt>();
  else
    sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>("easel", std::move(sink));
  logger->set_pattern("%H:%M:%S %^%L%$ %v");
  std::string level = flags.value("--verbose", flags.has("--verbose") ? "DEBUG" : "INFO");
  if (level == "CRITICAL" || flags.has("--dont-print-server")) level = level == "CRITICAL" ? "critical" : "warning";
  for (char& c : level) c = static_cast<char>(std::tolower(c));
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace easel::app
