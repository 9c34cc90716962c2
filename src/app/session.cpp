#include "app/session.h"

#include "base/error.h"
#include "base/log.h"
#include "wire/spawn.h"

namespace easel::app {

WorkerSession::WorkerSession(const std::vector<std::string>& command)
    : pid_(-1), channel_([&] {
        const wire::Child child = wire::spawn(command);
        pid_ = child.pid;
        return child.fd;
      }()) {
  const wire::Message first = receive();
  const auto* hello = std::get_if<wire::Hello>(&first);
  if (!hello || hello->protocol != wire::kProtocol)
    fail("'{}' does not speak this easel's protocol; perhaps it is of another version", command[0]);
}

WorkerSession::~WorkerSession() {
  try {
    channel_.send(wire::Shutdown{});
  } catch (const std::exception&) {  // it has ended already
  }
  channel_.shut_down();
  if (pid_ > 0) wire::stop(pid_, 2000);
}

wire::Message WorkerSession::receive() {
  for (;;) {
    auto message = channel_.receive();
    if (!message) {
      const int status = wire::stop(pid_, 2000);
      pid_ = -1;
      fail("the worker {}; a likely cause is that memory ran out", wire::describe_end(status));
    }
    const auto* line = std::get_if<wire::Log>(&*message);
    if (!line) return std::move(*message);
    spdlog::log(spdlog::level::from_str(line->level), "{}", line->text);
  }
}

std::vector<CheckAnswer> WorkerSession::check(const std::vector<CheckQuestion>& questions) {
  send(wire::Check{"", questions});
  for (;;) {
    const wire::Message message = receive();
    if (const auto* checked = std::get_if<wire::Checked>(&message)) return checked->answers;
  }
}

}  // namespace easel::app
