// A stream of messages over a connected socket: frames of a big-endian 32-bit length and that many bytes of CBOR.
#pragma once
#include <mutex>
#include <optional>
#include <string>

#include "wire/messages.h"

namespace easel::wire {

inline constexpr size_t kMaxFrame = size_t{512} << 20;

// Owns the descriptor, which must block (SO_SNDTIMEO may bound how long). send() may be called from any thread;
// receive() from one at a time, also while others send.
class Channel {
 public:
  explicit Channel(int fd) : fd_(fd) {}
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Blocks until the kernel has taken it all. Throws Error if the other side is gone or the frame would exceed
  // kMaxFrame.
  void send(const Message& message);

  // Blocks; nothing at the end of the stream. Throws Error on a frame that is too long, cut short or no message; the
  // stream is of no use after that.
  std::optional<Message> receive();

  // Ends the stream in both directions and wakes a receive() that blocks in another thread.
  void shut_down();

  int fd() const { return fd_; }

 private:
  const int fd_;
  std::mutex sending_;
};

}  // namespace easel::wire
