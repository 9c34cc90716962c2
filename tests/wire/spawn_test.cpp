#include "wire/spawn.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

namespace easel::wire {
namespace {

Child shell(const std::string& script) { return spawn({"/bin/sh", "-c", script}); }

std::string read_all(int fd) {
  std::string text;
  char buffer[256];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, n);
  close(fd);
  return text;
}

TEST(Spawn, TheChildFindsItsSocketAndNothingElse) {
  const Child child = shell("echo hello >&3; ls -m /proc/self/fd >&3");
  EXPECT_EQ(read_all(child.fd), "hello\n0, 1, 2, 3, 4\n");  // 4 is the folder that ls reads
  EXPECT_EQ(describe_end(wait(child.pid)), "exited with status 0");
}

TEST(Spawn, AGroupOfItsOwn) {
  const Child child = shell("read line <&3");
  EXPECT_EQ(getpgid(child.pid), child.pid);
  EXPECT_EQ(write(child.fd, "\n", 1), 1);
  close(child.fd);
  wait(child.pid);
}

TEST(Spawn, APogramThatIsNotThere) {
  EXPECT_THROW(spawn({"/nonexistent/easel-worker"}), Error);
  EXPECT_THROW(spawn({"/etc/passwd"}), Error);
  EXPECT_THROW(spawn({}), Error);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);  // no zombie is left
}

TEST(Spawn, HowItEnded) {
  const Child aborted = shell("kill -ABRT $$");
  EXPECT_EQ(describe_end(wait(aborted.pid)), "was killed by signal 6 (Aborted)");
  const Child failed = shell("exit 7");
  EXPECT_EQ(describe_end(wait(failed.pid)), "exited with status 7");
  close(aborted.fd);
  close(failed.fd);
}

TEST(Spawn, PollAndStop) {
  const Child polite = shell("read line <&3");
  EXPECT_FALSE(poll(polite.pid));
  EXPECT_TRUE(WIFSIGNALED(stop(polite.pid, 5000)));
  close(polite.fd);
  const Child stubborn = shell("trap '' TERM; echo >&3; while :; do read line <&3; done");
  char ready;
  EXPECT_EQ(read(stubborn.fd, &ready, 1), 1);
  EXPECT_EQ(WTERMSIG(stop(stubborn.pid, 50)), SIGKILL);
  close(stubborn.fd);
}

// The child must not outlive the server, however that ends.
TEST(Spawn, DiesWithItsParent) {
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    const Child child = shell("echo >&3; while :; do read line <&3 || sleep 1; done");
    char ready;
    if (read(child.fd, &ready, 1) != 1 || write(report[1], &child.pid, sizeof child.pid) < 0) _exit(1);
    raise(SIGKILL);
  }
  pid_t child = 0;
  ASSERT_EQ(read(report[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  wait(parent);
  bool gone = false;
  for (int i = 0; i < 500 && !gone; ++i, usleep(10'000)) {
    gone = kill(child, 0) != 0;
    if (!gone) {  // an orphan that nobody reaps stays as a zombie
      FILE* stat = std::fopen(("/proc/" + std::to_string(child) + "/stat").c_str(), "r");
      char state = 'Z';
      if (stat && std::fscanf(stat, "%*d %*s %c", &state) == 1) gone = state == 'Z';
      if (stat) std::fclose(stat);
    }
  }
  EXPECT_TRUE(gone);
}

}  // namespace
}  // namespace easel::wire
