// The entries of a zip that torch.save wrote, by name, read through libzip. Only stored (uncompressed) entries are
// read, and a name is only ever a key: nothing is unpacked to disk.
#pragma once
#include <zip.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace easel {

// A block of memory aligned as tensors like it.
struct Block {
  std::shared_ptr<std::byte> memory;
  std::span<const std::byte> bytes;
  static Block of(size_t size);
};

class TorchZip {
 public:
  // Finds the root: the folder of the first ".../data.pkl". Throws Error for anything that is no such zip.
  TorchZip(std::span<const std::byte> file, std::string name);
  ~TorchZip();
  TorchZip(const TorchZip&) = delete;
  TorchZip& operator=(const TorchZip&) = delete;

  // The entry root/`entry`; nothing if there is none. Its checksum is verified. Throws Error for one larger than
  // `most`.
  std::optional<Block> read(const std::string& entry, uint64_t most) const;

 private:
  std::string name_, root_;
  uint64_t file_size_;
  zip_t* zip_ = nullptr;
};

}  // namespace easel
