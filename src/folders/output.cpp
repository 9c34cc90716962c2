#include "folders/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <random>

#include "base/crash_point.h"
#include "base/error.h"
#include "folders/publication.h"
#include "folders/resolve.h"

namespace easel::folders {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kUnfinishedPrefix = ".easel-", kUnfinishedSuffix = ".part";
constexpr size_t kMaxFilename = 200;       // room for "_00001_" and an extension
constexpr int64_t kMaxAttempts = 100'000;  // names tried before giving up

void replace_all(std::string& text, std::string_view word, const std::string& value) {
  for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += value.size())
    text.replace(at, word.size(), value);
}

std::string with_words(std::string_view prefix, int64_t width, int64_t height) {
  std::string text(prefix);
  if (text.find('%') == std::string::npos) return text;
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  replace_all(text, "%width%", std::to_string(width));
  replace_all(text, "%height%", std::to_string(height));
  replace_all(text, "%year%", std::to_string(local.tm_year + 1900));
  replace_all(text, "%month%", fmt::format("{:02}", local.tm_mon + 1));
  replace_all(text, "%day%", fmt::format("{:02}", local.tm_mday));
  replace_all(text, "%hour%", fmt::format("{:02}", local.tm_hour));
  replace_all(text, "%minute%", fmt::format("{:02}", local.tm_min));
  replace_all(text, "%second%", fmt::format("{:02}", local.tm_sec));
  return text;
}

// N of "<filename>_N…", 0 for any other name.
int64_t counter_of(std::string_view name, std::string_view filename) {
  if (!name.starts_with(filename)) return 0;
  name.remove_prefix(filename.size());
  if (!name.starts_with('_')) return 0;
  name.remove_prefix(1);
  const std::string_view digits = name.substr(0, name.find('_'));
  if (digits.empty() || digits.size() > 15 || digits.find_first_not_of("0123456789") != digits.npos) return 0;
  return std::stoll(std::string(digits));
}

std::string human(uint64_t bytes) {
  return bytes < 1'000'000 ? fmt::format("{} kB", (bytes + 999) / 1000) : fmt::format("{:.1f} MB", bytes / 1e6);
}

uint64_t free_bytes(const fs::path& folder) {
  struct statvfs info;
  return statvfs(folder.c_str(), &info) == 0 ? uint64_t{info.f_bavail} * info.f_frsize : UINT64_MAX;
}

[[noreturn]] void fail_full(const fs::path& folder, uint64_t needed) {
  fail("write_output: disk full: need {}, free {} in '{}'; make room there or choose another folder", human(needed),
       human(free_bytes(folder)), folder.string());
}

void sync_folder(const fs::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

// 0, or the error; EEXIST if the name is taken. Not every file system knows RENAME_NOREPLACE, nor hard links.
int rename_without_replacing(const fs::path& from, const fs::path& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (link(from.c_str(), to.c_str()) == 0) return unlink(from.c_str()) == 0 ? 0 : errno;
  if (errno == EEXIST) return errno;
  const int fd = open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);  // reserves the name
  if (fd < 0) return errno;
  close(fd);
  return rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

fs::path unfinished_name(const fs::path& folder) {
  static std::atomic<uint64_t> counter{std::random_device{}()};
  return folder / fmt::format("{}{}-{:x}{}", kUnfinishedPrefix, getpid(), counter++, kUnfinishedSuffix);
}

// The next counters of names that this process has used, good as long as nobody else changed their folder: a folder of
// thousands of pictures need not be listed for each new one.
class Counters {
 public:
  std::optional<int64_t> find(const fs::path& folder, const std::string& filename) {
    std::lock_guard lock(mutex_);
    const auto known = folders_.find(folder);
    if (known == folders_.end()) return std::nullopt;
    if (known->second.changed != changed(folder)) {
      folders_.erase(known);
      return std::nullopt;
    }
    const auto counter = known->second.next.find(filename);
    return counter == known->second.next.end() ? std::nullopt : std::optional(counter->second);
  }
  void listed(const fs::path& folder, const std::string& filename, int64_t next, fs::file_time_type before) {
    std::lock_guard lock(mutex_);
    if (folders_.size() >= 16) folders_.clear();
    Known& known = folders_[folder];
    if (known.changed != before || known.next.size() >= 1000) known = {before, {}};
    known.next[filename] = next;
  }
  // Published by this process: the folder has changed, and what is known of it still holds.
  void published(const fs::path& folder, const std::string& name) {
    std::lock_guard lock(mutex_);
    const auto known = folders_.find(folder);
    if (known == folders_.end()) return;
    for (auto& [filename, next] : known->second.next) next = std::max(next, counter_of(name, filename) + 1);
    known->second.changed = changed(folder);
  }
  static fs::file_time_type changed(const fs::path& folder) {
    std::error_code error;
    return fs::last_write_time(folder, error);
  }

 private:
  struct Known {
    fs::file_time_type changed;
    std::map<std::string, int64_t> next;
  };
  std::mutex mutex_;
  std::map<fs::path, Known> folders_;
};

Counters& counters() {
  static Counters the_one;
  return the_one;
}

}  // namespace

OutputName next_output_name(const fs::path& root, std::string_view prefix, int64_t width, int64_t height) {
  const std::string text = with_words(prefix.empty() ? "ComfyUI" : prefix, width, height);
  const Resolved words = clean_name("", text);
  if (!words || words.path.empty()) {
    fail("next_output_name: prefix '{}' is refused: {}", text, words ? "the name is empty" : words.reason);
  }
  OutputName out{{}, words.path.filename().string(), 1, words.path.parent_path().string()};
  if (out.filename.size() > kMaxFilename) {
    fail("next_output_name: a file name of {} bytes; at most {} are wanted", out.filename.size(), kMaxFilename);
  }
  out.folder = out.subfolder.empty() ? fs::weakly_canonical(root)
                                     : must_resolve("next_output_name", root, out.subfolder, "", Want::kAny);
  std::error_code error;
  fs::create_directories(out.folder, error);
  if (error == std::errc::no_space_on_device) fail_full(out.folder.parent_path(), 4096);
  if (error) fail("next_output_name: cannot make the folder '{}': {}", out.folder.string(), error.message());
  if (const auto known = counters().find(out.folder, out.filename)) {
    out.counter = *known;
    return out;
  }
  const auto before = Counters::changed(out.folder);
  for (fs::directory_iterator entry(out.folder, error), end; !error && entry != end; entry.increment(error)) {
    out.counter = std::max(out.counter, counter_of(entry->path().filename().string(), out.filename) + 1);
  }
  counters().listed(out.folder, out.filename, out.counter, before);
  return out;
}

std::string numbered(std::string_view filename, int64_t counter, std::string_view extension) {
  return fmt::format("{}_{:05}_{}", filename, counter, extension);
}

OutputFile::OutputFile(fs::path folder, uint64_t expected_size, Lasting lasting)
    : folder_(std::move(folder)), expected_size_(expected_size), lasting_(lasting) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (expected_size_ > free_bytes(folder_)) fail_full(folder_, expected_size_);
  for (int attempt = 0; fd_ < 0 && attempt < 100; ++attempt) {
    temporary_ = unfinished_name(folder_);
    fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd_ < 0 && errno != EEXIST) break;
  }
  if (fd_ < 0) fail_write(errno, expected_size_);
  crash_point("encode");
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void OutputFile::fail_write(int error, uint64_t more) const {
  if (error == ENOSPC || error == EDQUOT)
    fail_full(folder_, std::max(more, expected_size_ - std::min(expected_size_, written_)));
  fail("write_output: cannot write in '{}': {}", folder_.string(), std::strerror(error));
}

void OutputFile::write_at(uint64_t at, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = pwrite(fd_, bytes.data(), std::min<size_t>(bytes.size(), 1 << 30), static_cast<off_t>(at));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail_write(done < 0 ? errno : ENOSPC, bytes.size());
    at += static_cast<uint64_t>(done);
    written_ = std::max(written_, at);
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
  crash_point("encode");
}

void OutputFile::write(std::span<const std::byte> bytes) { write_at(written_, bytes); }

void OutputFile::write(std::string_view bytes) { write(std::as_bytes(std::span(bytes))); }

void OutputFile::finish(const std::string& name) {
  const bool lasting = lasting_ == Lasting::kYes;
  if (fd_ < 0) fd_ = open(temporary_.c_str(), O_RDONLY | O_CLOEXEC);  // another name is tried
  const int synced = fd_ >= 0 && (!lasting || fsync(fd_) == 0) ? 0 : errno;
  if (!synced && lasting) note_publication(fd_, folder_ / name);
  const int closed = fd_ < 0 || close(std::exchange(fd_, -1)) == 0 ? 0 : errno;
  if (synced || closed) fail_write(synced ? synced : closed, 0);
  crash_point("rename");
}

void OutputFile::appeared(const std::string& name) {
  temporary_.clear();
  crash_point("rename");
  if (lasting_ == Lasting::kYes) sync_folder(folder_);
  counters().published(folder_, name);
}

bool OutputFile::publish_new(const std::string& name) {
  struct stat info;
  if (lstat((folder_ / name).c_str(), &info) == 0) return false;
  finish(name);
  const int error = rename_without_replacing(temporary_, folder_ / name);
  if (error == EEXIST) return false;
  if (error) fail_write(error, 4096);
  appeared(name);
  return true;
}

void OutputFile::publish_over(const std::string& name) {
  finish(name);
  if (rename(temporary_.c_str(), (folder_ / name).c_str()) != 0) fail_write(errno, 4096);
  appeared(name);
}

int64_t OutputFile::publish(const std::function<std::string(int64_t)>& name_of, int64_t counter) {
  for (int64_t attempt = 0; attempt < kMaxAttempts; ++attempt, ++counter) {
    if (publish_new(name_of(counter))) return counter;
  }
  fail("write_output: '{}' and {} names after it are taken in '{}'", name_of(counter - kMaxAttempts), kMaxAttempts,
       folder_.string());
}

std::string publish(const OutputName& name, std::string_view extension, std::string_view bytes, Lasting lasting) {
  OutputFile file(name.folder, bytes.size(), lasting);
  file.write(bytes);
  const auto name_of = [&](int64_t counter) { return numbered(name.filename, counter, extension); };
  return name_of(file.publish(name_of, name.counter));
}

void sweep_unfinished(const fs::path& root, std::optional<int> process) {
  const std::string prefix = fmt::format("{}{}", kUnfinishedPrefix, process ? fmt::format("{}-", *process) : "");
  std::error_code error;
  fs::recursive_directory_iterator entry(root, fs::directory_options::skip_permission_denied, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(kUnfinishedSuffix)) continue;
    std::error_code gone;
    if (entry->is_regular_file(gone)) fs::remove(entry->path(), gone);
  }
}

}  // namespace easel::folders
