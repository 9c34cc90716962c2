// A file's bytes, mapped read-only. The mapping keeps the inode: a file replaced by rename goes on being the old one.
// (A file cut short in place while mapped raises SIGBUS on a read behind its new end, which ends the worker.)
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace easel {

class MappedFile {
 public:
  // Regular files only (a FIFO or device is refused without waiting for it). `who` opens the messages.
  static std::shared_ptr<const MappedFile> open(std::string_view who, const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace easel
