// The body of a request: in memory while it is small, in an unlinked temporary file, mapped, when it is not. So an
// upload of 100 MB costs page cache and no memory of ours.
#pragma once
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace easel::server {

class RequestBody {
 public:
  static constexpr size_t kInMemory = size_t{512} << 10;

  // Where the file goes; "": the system's folder for temporary files, which may be memory in disguise.
  explicit RequestBody(std::filesystem::path folder = {}) : folder_(std::move(folder)) {}
  ~RequestBody();
  RequestBody(const RequestBody&) = delete;
  RequestBody& operator=(const RequestBody&) = delete;

  // Whether this append would touch a file, and so belongs on a pool thread.
  bool needs_file(size_t more) const { return size_ + more > kInMemory; }
  void append(std::string_view bytes);  // throws Error when the temporary file cannot be written
  std::string_view view();              // nothing may be appended after it
  size_t size() const { return size_; }

 private:
  void write_file(std::string_view bytes);

  const std::filesystem::path folder_;
  std::string memory_;
  int fd_ = -1;
  void* mapped_ = nullptr;
  size_t size_ = 0;
};

}  // namespace easel::server
