// Files on their way out: counter names as ComfyUI's get_save_image_path gives them (reference/api.md §6), and writing
// that is either whole or not there: temporary name in the same folder, fsync, rename, fsync of the folder.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace easel::folders {

struct OutputName {
  std::filesystem::path folder;  // absolute; exists when next_output_name returns
  std::string filename;          // prefix without its subfolder, %words% replaced
  int64_t counter = 1;           // 1 + the largest N of "<filename>_N…" in the folder; others may take it meanwhile
  std::string subfolder;         // relative to the root, "" for the root itself
};

// prefix may hold a subfolder and %width% %height% %year% %month% %day% %hour% %minute% %second% (local time).
// An empty prefix is "ComfyUI". Throws Error when the prefix would leave `root`.
OutputName next_output_name(const std::filesystem::path& root, std::string_view prefix, int64_t width = 0,
                            int64_t height = 0);

// "<filename>_00001_.png"
std::string numbered(std::string_view filename, int64_t counter, std::string_view extension);

// What happens to a file at a power cut: a lasting one is synced before it appears, and noted (publication.h).
enum class Lasting { kYes, kNo };

// A file being written under a temporary, hidden name. Without a publish it vanishes with the object; what a killed
// process leaves behind, sweep_unfinished removes. One thread at a time.
class OutputFile {
 public:
  // Creates the folder if need be. expected_size: bytes to come, if known, for the message of a full disk.
  explicit OutputFile(std::filesystem::path folder, uint64_t expected_size = 0, Lasting lasting = Lasting::kYes);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Throws Error: "disk full: need X, free Y" or what the system says.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view bytes);
  // At a place of their own, for formats that go back to their front; write goes on behind the furthest.
  void write_at(uint64_t at, std::span<const std::byte> bytes);

  // Gives the file the first free name of name_of(counter), name_of(counter + 1), …; never replaces a file.
  // name_of must give a plain file name that changes with the counter. Returns the counter used.
  int64_t publish(const std::function<std::string(int64_t)>& name_of, int64_t counter);
  // Gives the file this name; false (and still unpublished) if the name is taken.
  bool publish_new(const std::string& name);
  // Gives the file this name, replacing what has it.
  void publish_over(const std::string& name);

 private:
  void finish(const std::string& name);    // syncs, notes, closes
  void appeared(const std::string& name);  // under this name, for good
  [[noreturn]] void fail_write(int error, uint64_t more) const;

  std::filesystem::path folder_, temporary_;
  uint64_t expected_size_, written_ = 0;
  const Lasting lasting_;
  int fd_ = -1;
};

// All at once: bytes as "<filename>_<counter>_<extension>" into the folder of `name`. Returns the file name used.
std::string publish(const OutputName& name, std::string_view extension, std::string_view bytes,
                    Lasting lasting = Lasting::kYes);

// Removes what killed processes left under `root` (recursively): what this one process left, or, at start and before
// anything writes there, everything.
void sweep_unfinished(const std::filesystem::path& root, std::optional<int> process = {});

}  // namespace easel::folders
