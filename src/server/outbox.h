// What waits to be sent to one socket. Bounded: when a client reads too slowly, progress and previews are merged into
// their newest; when that is not enough the socket has to be closed. No lock of its own.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

namespace easel::server {

struct Frame {
  std::string bytes;
  bool binary = false;
  std::string kind;  // frames of the same kind may be merged into the newest; "": must arrive
};
using SharedFrame = std::shared_ptr<const Frame>;

class Outbox {
 public:
  static constexpr size_t kMaxFrames = 256, kMaxBytes = size_t{8} << 20, kMergeFrom = 16;

  // False when the client has fallen too far behind; nothing more is taken then.
  bool push(SharedFrame frame);
  SharedFrame pop();  // null when empty
  bool empty() const { return frames_.empty(); }
  size_t size() const { return frames_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  std::deque<SharedFrame> frames_;
  size_t bytes_ = 0;
  bool overflowed_ = false;
};

}  // namespace easel::server
