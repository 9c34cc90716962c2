// Starts a worker process that talks over a socket.
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace easel::wire {

inline constexpr int kWorkerFd = 3;  // where the child finds its end of the socket

struct Child {
  pid_t pid = -1;
  int fd = -1;  // our end, close-on-exec; the caller owns it (give it to a Channel)
};

// Runs argv[0] (a path) with argv and this process's environment; its end of the socket is descriptor 3, its stdin is
// /dev/null, stdout and stderr are ours, everything else is closed. The child is in a process group of its own, so that
// a Ctrl-C in the terminal reaches only the server, and is killed by the kernel when the calling *thread* ends
// (PR_SET_PDEATHSIG): call from a thread that lives as long as the server. Throws Error, also where the program cannot
// be executed.
Child spawn(const std::vector<std::string>& argv);

// How a child ended, in words: "exited with status 1", "was killed by signal 9 (Killed)"; kStuck where its own watch
// (stall_watch.h) ended it.
inline constexpr const char* kStuck = "was stuck and ended";
std::string describe_end(int wait_status);

// Reaps: wait() blocks until the child ends; poll() tells whether it has ended; stop() sends SIGTERM, waits up to
// `grace_ms`, then SIGKILL, and reaps. All return waitpid's status.
int wait(pid_t pid);
std::optional<int> poll(pid_t pid);
int stop(pid_t pid, int grace_ms);

}  // namespace easel::wire
