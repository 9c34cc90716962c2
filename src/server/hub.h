// Who listens on /ws, and what goes to whom. Any thread may send; each socket has its own bounded outbox, so a client
// that does not read delays nobody. Also remembers the running prompt's last words for those who come back.
#pragma once
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "server/http.h"
#include "server/outbox.h"

namespace easel::server {

// To whom a message about a prompt goes: the sockets that its owner opened under this client_id. A prompt without one
// is everybody's whom it concerns: its owner's and the admins'; where there are no tokens, simply everybody's.
struct ClientId {
  std::optional<std::string> sid;
  std::string user;  // "" where there are no tokens

  ClientId(std::nullopt_t = std::nullopt) {}
  ClientId(std::string sid, std::string user = "") : sid(std::move(sid)), user(std::move(user)) {}
  ClientId(const char* sid) : sid(sid) {}
  explicit operator bool() const { return sid.has_value(); }
  bool operator==(const ClientId&) const = default;
};

class Hub {
 public:
  // One open socket. web_socket.cpp makes it, the hub's mutex guards it.
  struct Peer {
    std::string sid;
    Caller caller;
    std::function<void()> wake;     // something waits in the outbox, or closing was set; called under the lock
    bool preview_metadata = false;  // the client's feature flag
    bool closing = false;           // to be closed with this
    uint16_t close_code = 1013;     // try again later
    const char* close_reason = "does not keep up";
    Outbox outbox;
  };

  explicit Hub(uint64_t max_upload_size);

  // `queue_remaining` is asked for every status message: pending and running.
  void on_status(std::function<size_t()> queue_remaining) { queue_remaining_ = std::move(queue_remaining); }

  // Several sockets may share a sid (two tabs); the oldest of more than 16 is closed. Queues the status with the sid,
  // and where this sid's prompt runs, the last `executing` and `progress_state`.
  std::shared_ptr<Peer> connect(const std::string& sid, std::function<void()> wake, Caller caller = {});
  void disconnect(const std::shared_ptr<Peer>& peer);
  // A text frame from the client: only feature_flags means something, and is answered.
  void receive(const std::shared_ptr<Peer>& peer, const std::string& text, bool first);
  SharedFrame next(const std::shared_ptr<Peer>& peer);  // null when there is nothing to send
  bool is_closing(const std::shared_ptr<Peer>& peer) const;

  void send_status();
  // To the sockets of `client`; nobody's when it has no value.
  void send(const ClientId& client, const std::string& type, const std::string& data);
  // As send, but to everybody when the prompt has no owner.
  void send_or_broadcast(const ClientId& client, const std::string& type, const std::string& data);
  // A preview picture: event 4 to those who announced supports_preview_metadata, event 1 to the others.
  void send_preview(const ClientId& client, const std::string& metadata, const std::string& mime,
                    const std::string& bytes);
  void send_text(const ClientId& client, const std::string& node, const std::string& text);

  // The prompt is over: the last `executing`, and nothing to repeat any more to those who reconnect.
  void send_over(const ClientId& client, const std::string& data);
  // As that, silently: the prompt goes back into the queue.
  void forget_running();

  // Closes the sockets of those whose token holds no more.
  void close_unless(const std::function<bool(const Caller&)>& still_valid);

  std::string features() const;  // the JSON of GET /features and of the answer on the socket
  size_t count() const;

 private:
  SharedFrame status_frame(const std::string* sid) const;
  void push(Peer& peer, const SharedFrame& frame);
  void close(Peer& peer, uint16_t code, const char* reason);
  template <class F>
  void each(const ClientId& client, bool broadcast, F visit);
  void remember(const ClientId& client, const std::string& type, const SharedFrame& frame);

  const uint64_t max_upload_size_;
  std::function<size_t()> queue_remaining_;

  // Guards all below, and every Peer. Nothing is logged under it: the log has followers here.
  mutable std::mutex mutex_;
  std::list<std::shared_ptr<Peer>> peers_;
  // By user and sid, the oldest first: another user's socket of the same sid is somebody else.
  std::multimap<std::pair<std::string, std::string>, std::list<std::shared_ptr<Peer>>::iterator> by_sid_;
  std::optional<ClientId> running_;
  SharedFrame executing_, progress_state_;
};

}  // namespace easel::server
