#include "formats/mapped_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/error.h"

namespace easel {
namespace {

// Where files are mapped, for the signal handler: read there without a lock. What does not fit is not guarded.
struct Guarded {
  std::atomic<uintptr_t> begin{0}, end{0};
};
std::array<Guarded, 4096> guarded;
std::atomic<bool> cut{false};
std::mutex naming;     // guards what follows
std::string cut_name;  // of the file, "" while that is not known
std::array<std::string, guarded.size()> names;

// A read behind the end of the file: zeros from here on. Only calls that a signal handler may make.
void on_bus_error(int, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Guarded& range : guarded) {
    const uintptr_t begin = range.begin, end = range.end;
    if (address < begin || address >= end) continue;
    constexpr uintptr_t kPage = 4096;
    void* const page = reinterpret_cast<void*>(address / kPage * kPage);
    const size_t rest = end - address / kPage * kPage;
    if (mmap(page, rest, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) break;
    cut = true;
    return;
  }
  signal(SIGBUS, SIG_DFL);  // not ours: it comes again and ends the process
}

void guard(std::span<const std::byte> bytes, const std::string& name) {
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    return sigaction(SIGBUS, &action, nullptr) == 0;
  }();
  if (!installed) return;
  std::lock_guard lock(naming);
  for (size_t i = 0; i < guarded.size(); ++i) {
    if (guarded[i].begin != 0) continue;
    names[i] = name;
    guarded[i].end = reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size();
    guarded[i].begin = reinterpret_cast<uintptr_t>(bytes.data());
    return;
  }
}

// True when the file is shorter than what was mapped of it, or gone under a name that another file has now.
bool is_shorter(const std::string& name, uint64_t size) {
  std::error_code error;
  return std::filesystem::file_size(name, error) < size;
}

// Under `naming`.
void find_cut_name() {
  for (size_t i = 0; i < guarded.size() && cut_name.empty(); ++i)
    if (guarded[i].begin != 0 && is_shorter(names[i], guarded[i].end - guarded[i].begin)) cut_name = names[i];
}

void unguard(std::span<const std::byte> bytes) {
  std::lock_guard lock(naming);
  if (cut && cut_name.empty()) find_cut_name();
  for (Guarded& range : guarded)
    if (range.begin == reinterpret_cast<uintptr_t>(bytes.data())) range.begin = range.end = 0;
}

}  // namespace

MappedFile::MappedFile(std::span<const std::byte> bytes, const std::filesystem::path& path) : bytes_(bytes) {
  if (!bytes_.empty()) guard(bytes_, path.string());
}

void check_mapped_files(std::string_view who) {
  if (!cut.load(std::memory_order_relaxed)) return;
  std::lock_guard lock(naming);
  if (cut_name.empty()) find_cut_name();
  fail(
      "{}: '{}' was cut short while it was in use; perhaps it is being copied or downloaded anew: run the prompt again "
      "when it is whole",
      who, cut_name.empty() ? "a model file" : cut_name);
}

std::shared_ptr<const MappedFile> MappedFile::open(std::string_view who, const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail("{}: cannot open '{}': {}", who, path.string(), std::strerror(errno));
  struct stat info;
  const bool known = fstat(fd, &info) == 0;
  void* memory = nullptr;
  if (known && S_ISREG(info.st_mode) && info.st_size > 0) {
    memory = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
  }
  const int error = errno;
  close(fd);
  if (!known || !S_ISREG(info.st_mode)) fail("{}: '{}' is no regular file", who, path.string());
  if (memory == MAP_FAILED) fail("{}: cannot map '{}': {}", who, path.string(), std::strerror(error));
  const size_t size = static_cast<size_t>(info.st_size);
  return std::shared_ptr<const MappedFile>(new MappedFile({static_cast<const std::byte*>(memory), size}, path));
}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  unguard(bytes_);
  munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace easel
