#include "server/outbox.h"

#include <algorithm>

namespace easel::server {

bool Outbox::push(SharedFrame frame) {
  if (overflowed_) return false;
  // Only when the client lags: one that keeps up sees every step.
  if (!frame->kind.empty() && frames_.size() >= kMergeFrom) {
    const auto older = std::ranges::find_if(frames_, [&](const auto& each) { return each->kind == frame->kind; });
    if (older != frames_.end()) {
      bytes_ -= (*older)->bytes.size();
      frames_.erase(older);
    }
  }
  // One frame larger than the bound may pass alone (a long list of outputs), never behind others.
  const bool too_much = bytes_ + frame->bytes.size() > kMaxBytes && !frames_.empty();
  if (frames_.size() >= kMaxFrames || too_much) {
    overflowed_ = true;
    frames_.clear();
    bytes_ = 0;
    return false;
  }
  bytes_ += frame->bytes.size();
  frames_.push_back(std::move(frame));
  return true;
}

SharedFrame Outbox::pop() {
  if (frames_.empty()) return nullptr;
  SharedFrame frame = std::move(frames_.front());
  frames_.pop_front();
  bytes_ -= frame->bytes.size();
  return frame;
}

}  // namespace easel::server
