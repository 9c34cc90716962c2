#include "server/retention.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/log.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWanted = "temp=1d,output=30d is the form wanted, with s, m, h, d or w for the unit";

std::chrono::seconds parse_age(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, text.data() + text.size() - end);
  const int64_t seconds = unit == "s"   ? 1
                          : unit == "m" ? 60
                          : unit == "h" ? 3600
                          : unit == "d" ? 86'400
                          : unit == "w" ? 604'800
                                        : 0;
  constexpr int64_t kMost = 100'000;
  if (error != std::errc() || number <= 0 || number > kMost || seconds == 0)
    fail("--retain: '{}' is no age; {}", text, kWanted);
  return std::chrono::seconds(number * seconds);
}

}  // namespace

std::vector<RetentionRule> parse_retention(const std::string& text, const std::vector<NamedFolder>& folders) {
  std::vector<RetentionRule> rules;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string rule = text.substr(begin, end - begin);
    begin = end + 1;
    const size_t equals = std::min(rule.find('='), rule.size());
    const auto folder = std::ranges::find(folders, rule.substr(0, equals), &NamedFolder::name);
    if (folder == folders.end() || equals == rule.size()) fail("--retain: '{}' came; {}", rule, kWanted);
    rules.push_back({folder->path, parse_age(std::string_view(rule).substr(equals + 1))});
  }
  return rules;
}

size_t remove_old_files(const RetentionRule& rule) {
  const auto oldest = fs::file_time_type::clock::now() - rule.age;
  std::vector<fs::path> old, folders;
  std::error_code error;
  fs::recursive_directory_iterator entry(rule.folder, fs::directory_options::skip_permission_denied, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    if (entry->is_symlink(gone)) continue;
    const auto written = entry->last_write_time(gone);
    if (gone) continue;
    if (entry->is_directory(gone)) {
      folders.push_back(entry->path());
    } else if (entry->is_regular_file(gone) && written < oldest) {
      old.push_back(entry->path());
    }
  }
  size_t removed = 0;
  std::vector<fs::path> touched;
  for (const fs::path& path : old) {
    if (!fs::remove(path, error)) continue;
    ++removed;
    touched.push_back(path.parent_path());
  }
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {  // the deepest first
    if (std::ranges::find(touched, *folder) == touched.end() || !fs::is_empty(*folder, error)) continue;
    if (fs::remove(*folder, error)) touched.push_back(folder->parent_path());
  }
  return removed;
}

Retention::Retention(std::vector<RetentionRule> rules) : rules_(std::move(rules)) {
  if (!rules_.empty()) thread_ = std::thread([this] { loop(); });
}

Retention::~Retention() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Retention::loop() {
  // Often enough that nothing stays a tenth longer than asked.
  auto pause = std::chrono::seconds(3600);
  for (const RetentionRule& rule : rules_) pause = std::min(pause, std::max(rule.age / 10, std::chrono::seconds(1)));
  std::unique_lock lock(mutex_);
  do {
    lock.unlock();
    for (const RetentionRule& rule : rules_)
      if (const size_t removed = remove_old_files(rule))
        log::info("{} old files in '{}' were removed", removed, rule.folder.string());
    lock.lock();
  } while (!wake_.wait_for(lock, pause, [this] { return stopping_; }));
}

}  // namespace easel::server
