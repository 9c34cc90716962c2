#include "wire/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "wire/stall_watch.h"

namespace easel::wire {
namespace {

constexpr std::chrono::milliseconds kPollInterval(5);

// Runs in the child, between fork and exec: only async-signal-safe calls. Returns if something failed, errno tells.
void become_worker(char* const* argv, int socket, int errors, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, nullptr) != 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR) return;
  if (setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return;
  if (getppid() != parent) _exit(1);  // it died before the line above
  // When memory runs out the worker is to go, not the server, which knows what ran.
  if (const int score = open("/proc/self/oom_score_adj", O_WRONLY); score >= 0) {
    [[maybe_unused]] ssize_t ignored = write(score, "800", 3);
    close(score);
  }
  const int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, STDIN_FILENO) < 0) return;
  if (dup2(socket, kWorkerFd) < 0 || dup2(errors, kWorkerFd + 1) < 0) return;
  if (close_range(kWorkerFd + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return;
  execv(argv[0], argv);
}

// A copy of the descriptor at 10 or above, out of the way of those that the child arranges.
int moved_up(int fd) {
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
  if (moved < 0) fail("spawn: cannot duplicate a descriptor: {}", std::strerror(errno));
  close(fd);
  return moved;
}

}  // namespace

Child spawn(const std::vector<std::string>& argv) {
  if (argv.empty()) fail("spawn: no program was given");
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  int sockets[2], errors[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
    fail("spawn: cannot make a socket pair: {}", std::strerror(errno));
  if (pipe2(errors, O_CLOEXEC) != 0) fail("spawn: cannot make a pipe: {}", std::strerror(errno));
  const int child_socket = moved_up(sockets[1]), child_errors = moved_up(errors[1]);

  const pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    become_worker(arguments.data(), child_socket, child_errors, parent);
    const int error = errno;
    [[maybe_unused]] ssize_t ignored = write(child_errors, &error, sizeof error);
    _exit(127);
  }
  const int fork_error = errno;
  close(child_socket);
  close(child_errors);
  int error = pid < 0 ? fork_error : 0;
  // The pipe closes by itself when exec succeeds.
  while (pid > 0 && read(errors[0], &error, sizeof error) < 0 && errno == EINTR) {
  }
  close(errors[0]);
  if (error != 0) {
    close(sockets[0]);
    if (pid > 0) wait(pid);
    fail("spawn: cannot run '{}': {}", argv[0], std::strerror(error));
  }
  return {pid, sockets[0]};
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("was killed by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  if (WEXITSTATUS(status) == kStalled) return kStuck;
  return fmt::format("exited with status {}", WEXITSTATUS(status));
}

int wait(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) fail("wait: cannot wait for process {}: {}", pid, std::strerror(errno));
  return status;
}

std::optional<int> poll(pid_t pid) {
  int status = 0;
  const pid_t ended = waitpid(pid, &status, WNOHANG);
  if (ended < 0 && errno != EINTR) fail("poll: cannot wait for process {}: {}", pid, std::strerror(errno));
  return ended == pid ? std::optional(status) : std::nullopt;
}

int stop(pid_t pid, int grace_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(grace_ms);
  kill(pid, SIGTERM);
  while (std::chrono::steady_clock::now() < deadline) {
    if (auto status = poll(pid)) return *status;
    std::this_thread::sleep_for(kPollInterval);
  }
  kill(pid, SIGKILL);
  return wait(pid);
}

}  // namespace easel::wire
