// A file's bytes, mapped read-only. The mapping keeps the inode: a file replaced by rename goes on being the old one.
// A file cut short in place while mapped reads as zeros behind its new end, and that is remembered.
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
  MappedFile(std::span<const std::byte> bytes, const std::filesystem::path& path);
  std::span<const std::byte> bytes_;
};

// Throws Error, naming the file, if some mapped file was found cut short since this process began: what was computed
// from it is worthless. `who` opens the message. Costs one comparison where all is well.
void check_mapped_files(std::string_view who);

}  // namespace easel
