#include "formats/torch_zip.h"

#include <cstdlib>

#include "base/error.h"

namespace easel {
namespace {
constexpr zip_int64_t kMaxEntries = 1'000'000;
}

Block Block::of(size_t size) {
  constexpr size_t kAlignment = 64;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, (size / kAlignment + 1) * kAlignment));
  if (!memory) fail("load_pickle: no memory for {} bytes of tensors", size);
  return {std::shared_ptr<std::byte>(memory, [](std::byte* block) { std::free(block); }), {memory, size}};
}

TorchZip::TorchZip(std::span<const std::byte> file, std::string name)
    : name_(std::move(name)), file_size_(file.size()) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(file.data(), file.size(), 0, &error);
  if (source) zip_ = zip_open_from_source(source, ZIP_RDONLY, &error);
  if (!zip_) {
    if (source) zip_source_free(source);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    fail("load_pickle: '{}' is no whole zip file ({}); perhaps the download was cut short", name_, reason);
  }
  zip_error_fini(&error);
  constexpr std::string_view kPickle = "/data.pkl";
  const zip_int64_t entries = zip_get_num_entries(zip_, 0);
  for (zip_int64_t i = 0; root_.empty() && i < std::min(entries, kMaxEntries); ++i) {
    const char* entry = zip_get_name(zip_, static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
    const std::string_view text = entry ? entry : "";
    if (text.ends_with(kPickle)) root_ = text.substr(0, text.size() - kPickle.size() + 1);
  }
  if (root_.empty()) {
    zip_discard(zip_);
    fail("load_pickle: '{}' is a zip file without a data.pkl; perhaps it is no file of torch.save", name_);
  }
}

TorchZip::~TorchZip() { zip_discard(zip_); }

std::optional<Block> TorchZip::read(const std::string& entry, uint64_t most) const {
  const std::string full = root_ + entry;
  const zip_int64_t index = zip_name_locate(zip_, full.c_str(), ZIP_FL_ENC_RAW);
  if (index < 0) return std::nullopt;
  zip_stat_t info;
  zip_stat_init(&info);
  constexpr zip_uint64_t kNeeded = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  if (zip_stat_index(zip_, static_cast<zip_uint64_t>(index), 0, &info) != 0 || (info.valid & kNeeded) != kNeeded) {
    fail("load_pickle: '{}': its entry '{}' cannot be read", name_, entry);
  }
  if (info.comp_method != ZIP_CM_STORE || info.comp_size != info.size) {
    fail("load_pickle: '{}': its entry '{}' is compressed; torch.save stores", name_, entry);
  }
  if (info.size > file_size_ || info.size > most) {
    fail("load_pickle: '{}': its entry '{}' claims {} bytes, at most {} are possible", name_, entry, info.size,
         std::min(most, file_size_));
  }
  Block block = Block::of(info.size);
  zip_file_t* file = zip_fopen_index(zip_, static_cast<zip_uint64_t>(index), 0);
  // One byte more than there should be: reading to the end is what makes libzip compare the checksum.
  char beyond;
  const bool whole =
      file &&
      (info.size == 0 || zip_fread(file, block.memory.get(), info.size) == static_cast<zip_int64_t>(info.size)) &&
      zip_fread(file, &beyond, 1) == 0;
  if (file) zip_fclose(file);
  if (!whole) fail("load_pickle: '{}': its entry '{}' is damaged; perhaps the download was", name_, entry);
  return block;
}

}  // namespace easel
