#include "wire/channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace easel::wire {
namespace {

constexpr size_t kHeader = 4;
constexpr size_t kChunk = size_t{1} << 20;  // so that a length that lies costs no more memory than what comes

void send_all(int fd, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n >= 0) {
      sent += n;
    } else if (errno != EINTR) {
      fail("wire: cannot send: {}; the other side is probably gone", std::strerror(errno));
    }
  }
}

// How many of `size` bytes came before the end of the stream.
size_t receive_some(int fd, char* bytes, size_t size) {
  size_t got = 0;
  while (got < size) {
    const ssize_t n = ::recv(fd, bytes + got, size - got, 0);
    if (n > 0) {
      got += n;
    } else if (n == 0 || errno == ECONNRESET) {
      break;
    } else if (errno != EINTR) {
      fail("wire: cannot receive: {}", std::strerror(errno));
    }
  }
  return got;
}

}  // namespace

Channel::~Channel() { ::close(fd_); }

void Channel::send(const Message& message) {
  const std::string body = encode(message);
  if (body.size() > kMaxFrame)
    fail("wire: a message of {} bytes is more than a frame of {} takes", body.size(), kMaxFrame);
  std::string frame;
  frame.reserve(kHeader + body.size());
  for (int shift : {24, 16, 8, 0}) frame += static_cast<char>(body.size() >> shift);
  frame += body;
  std::lock_guard lock(sending_);
  send_all(fd_, frame);
}

std::optional<Message> Channel::receive() {
  unsigned char header[kHeader];
  const size_t got = receive_some(fd_, reinterpret_cast<char*>(header), kHeader);
  if (got == 0) return std::nullopt;
  if (got < kHeader) fail("wire: the stream ends inside the length of a frame");
  const size_t length = size_t{header[0]} << 24 | size_t{header[1]} << 16 | size_t{header[2]} << 8 | header[3];
  if (length > kMaxFrame) fail("wire: a frame of {} bytes was announced, at most {} are allowed", length, kMaxFrame);
  std::string body;
  while (body.size() < length) {
    const size_t begin = body.size(), wanted = std::min(kChunk, length - begin);
    body.resize(begin + wanted);
    if (receive_some(fd_, body.data() + begin, wanted) < wanted)
      fail("wire: the stream ends inside a frame of {} bytes; the other side has probably died", length);
  }
  return decode(body);
}

void Channel::shut_down() { ::shutdown(fd_, SHUT_RDWR); }

}  // namespace easel::wire
