#include "server/hub.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "graph/prompt.h"
#include "server/http.h"

namespace easel::server {
namespace {

constexpr size_t kMaxSocketsOfOneSid = 16;

// What may be merged when a client lags; every other frame must arrive.
std::string kind_of(const std::string& type) {
  return type == "status" || type == "progress" || type == "progress_state" || type == "logs" ? type : "";
}

SharedFrame text_frame(const std::string& type, const std::string& data) {
  return std::make_shared<Frame>(
      Frame{fmt::format(R"({{"type": "{}", "data": {}}})", type, data), false, kind_of(type)});
}

void append_u32(std::string& bytes, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
}

}  // namespace

Hub::Hub(uint64_t max_upload_size) : max_upload_size_(max_upload_size) {}

std::string Hub::features() const {
  return fmt::format(R"({{"supports_preview_metadata": true, "max_upload_size": {}}})", max_upload_size_);
}

SharedFrame Hub::status_frame(const std::string* sid) const {
  const size_t remaining = queue_remaining_ ? queue_remaining_() : 0;
  std::string data = fmt::format(R"({{"status": {{"exec_info": {{"queue_remaining": {}}}}})", remaining);
  data += sid ? fmt::format(R"(, "sid": {}}})", quote_json(*sid)) : "}";
  return std::make_shared<Frame>(
      Frame{fmt::format(R"({{"type": "status", "data": {}}})", data), false, sid ? "" : "status"});
}

std::shared_ptr<Hub::Peer> Hub::connect(const std::string& sid, std::function<void()> wake, Caller caller) {
  auto peer = std::make_shared<Peer>();
  peer->sid = sid;
  peer->wake = std::move(wake);
  peer->caller = std::move(caller);
  const std::pair key(peer->caller.user, sid);
  const SharedFrame status = status_frame(&sid);
  std::lock_guard lock(mutex_);
  if (by_sid_.count(key) >= kMaxSocketsOfOneSid) {
    Peer& oldest = **by_sid_.lower_bound(key)->second;
    close(oldest, 1013, "too many sockets of one clientId");
  }
  by_sid_.emplace(key, peers_.insert(peers_.end(), peer));
  push(*peer, status);
  if (running_ == ClientId(sid, peer->caller.user)) {
    if (executing_) push(*peer, executing_);
    if (progress_state_) push(*peer, progress_state_);
  }
  return peer;
}

void Hub::disconnect(const std::shared_ptr<Peer>& peer) {
  std::lock_guard lock(mutex_);
  const auto [first, last] = by_sid_.equal_range({peer->caller.user, peer->sid});
  const auto found = std::find_if(first, last, [&](const auto& entry) { return *entry.second == peer; });
  if (found == last) return;
  peers_.erase(found->second);
  by_sid_.erase(found);
  peer->wake = [] {};
}

void Hub::receive(const std::shared_ptr<Peer>& peer, const std::string& text, bool first) {
  if (!first) return;
  try {
    const Json message = parse_json(text);
    if (!message.is_object() || message.value("type", Json()) != "feature_flags") return;
    const Json data = message.value("data", Json::object());
    std::lock_guard lock(mutex_);
    peer->preview_metadata = data.is_object() && data.value("supports_preview_metadata", Json()) == true;
    push(*peer, text_frame("feature_flags", features()));
  } catch (const std::exception& error) {
    log::warn("/ws: a frame that is no message was ignored: {}", error.what());
  }
}

SharedFrame Hub::next(const std::shared_ptr<Peer>& peer) {
  std::lock_guard lock(mutex_);
  return peer->outbox.pop();
}

bool Hub::is_closing(const std::shared_ptr<Peer>& peer) const {
  std::lock_guard lock(mutex_);
  return peer->closing;
}

void Hub::close(Peer& peer, uint16_t code, const char* reason) {
  peer.closing = true;
  peer.close_code = code;
  peer.close_reason = reason;
  peer.wake();
}

void Hub::push(Peer& peer, const SharedFrame& frame) {
  if (peer.closing) return;
  peer.closing = !peer.outbox.push(frame);
  peer.wake();
}

template <class F>
void Hub::each(const ClientId& client, bool broadcast, F visit) {
  if (client) {
    const auto [first, last] = by_sid_.equal_range({client.user, *client.sid});
    for (auto entry = first; entry != last; ++entry) visit(**entry->second);
  } else if (broadcast) {
    for (const auto& peer : peers_)
      if (peer->caller.may_see(client.user)) visit(*peer);
  }
}

void Hub::remember(const ClientId& client, const std::string& type, const SharedFrame& frame) {
  if (type == "executing") {
    running_ = client;
    executing_ = frame;
  } else if (type == "progress_state") {
    running_ = client;
    progress_state_ = frame;
  }
}

void Hub::send_status() {
  const SharedFrame frame = status_frame(nullptr);
  std::lock_guard lock(mutex_);
  for (const auto& peer : peers_) push(*peer, frame);
}

void Hub::close_unless(const std::function<bool(const Caller&)>& still_valid) {
  std::lock_guard lock(mutex_);
  for (const auto& peer : peers_) {
    if (peer->closing || still_valid(peer->caller)) continue;
    close(*peer, 1008, "the token holds no more");
  }
}

void Hub::send(const ClientId& client, const std::string& type, const std::string& data) {
  const SharedFrame frame = text_frame(type, data);
  std::lock_guard lock(mutex_);
  remember(client, type, frame);
  each(client, false, [&](Peer& peer) { push(peer, frame); });
}

void Hub::send_or_broadcast(const ClientId& client, const std::string& type, const std::string& data) {
  const SharedFrame frame = text_frame(type, data);
  std::lock_guard lock(mutex_);
  remember(client, type, frame);
  each(client, true, [&](Peer& peer) { push(peer, frame); });
}

void Hub::send_preview(const ClientId& client, const std::string& metadata, const std::string& mime,
                       const std::string& bytes) {
  auto plain = std::make_shared<Frame>(Frame{"", true, "preview"});
  append_u32(plain->bytes, 1);
  append_u32(plain->bytes, mime == "image/png" ? 2 : 1);
  plain->bytes += bytes;
  auto described = std::make_shared<Frame>(Frame{"", true, "preview"});
  append_u32(described->bytes, 4);
  append_u32(described->bytes, static_cast<uint32_t>(metadata.size()));
  described->bytes += metadata + bytes;
  std::lock_guard lock(mutex_);
  each(client, true, [&](Peer& peer) { push(peer, peer.preview_metadata ? described : plain); });
}

void Hub::send_text(const ClientId& client, const std::string& node, const std::string& text) {
  auto frame = std::make_shared<Frame>(Frame{"", true, ""});
  append_u32(frame->bytes, 3);
  append_u32(frame->bytes, static_cast<uint32_t>(node.size()));
  frame->bytes += node + text;
  std::lock_guard lock(mutex_);
  each(client, true, [&](Peer& peer) { push(peer, frame); });
}

void Hub::send_over(const ClientId& client, const std::string& data) {
  const SharedFrame frame = text_frame("executing", data);
  std::lock_guard lock(mutex_);
  running_.reset();
  executing_ = progress_state_ = nullptr;
  each(client, false, [&](Peer& peer) { push(peer, frame); });
}

void Hub::forget_running() {
  std::lock_guard lock(mutex_);
  running_.reset();
  executing_ = progress_state_ = nullptr;
}

size_t Hub::count() const {
  std::lock_guard lock(mutex_);
  return peers_.size();
}

}  // namespace easel::server
