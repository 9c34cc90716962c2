#include "folders/index.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "folders/watches.h"

namespace easel::folders {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// One thread listens for events, a few read roots; one that hangs is replaced, so that the other roots go on.
class Index::Keeper : public std::enable_shared_from_this<Keeper> {
 public:
  explicit Keeper(const IndexOptions& options)
      : options_(options), watches_(options.max_watches), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Keeper() {
    if (wake_ >= 0) close(wake_);
  }

  void add(const fs::path& root) {
    const std::lock_guard lock(mutex_);
    roots_.try_emplace(root.string());
  }

  void settle() {
    std::unique_lock lock(mutex_);
    if (!listener_.joinable()) listener_ = std::thread([this] { listen(); });
    take_events();
    mark_doubtful();
    const Clock::time_point until = Clock::now() + milliseconds(options_.patience_ms);
    for (Clock::time_point now; (now = Clock::now()) < until;) {
      const bool waiting = std::any_of(roots_.begin(), roots_.end(), [&](const auto& root) {
        return root.second.reading ? !is_late(root.second, now) : root.second.wants_reading();
      });
      if (!waiting) return;
      want_reader(now);
      work_.notify_one();
      done_.wait_until(lock, std::min(until, next_late(now)));
    }
  }

  std::shared_ptr<const Listing> files(const fs::path& root) const {
    const std::lock_guard lock(mutex_);
    const auto found = roots_.find(root.string());
    return found == roots_.end() ? nullptr : found->second.listing;
  }

  uint64_t generation() const {
    const std::lock_guard lock(mutex_);
    return generation_;
  }

  // No thread but those that hang on a disk outlives this; they hold the keeper and end when the disk answers.
  void end() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    work_.notify_all();
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
    if (listener_.joinable()) listener_.join();
    std::unique_lock lock(mutex_);
    done_.wait_for(lock, milliseconds(options_.patience_ms), [this] { return readers_ == 0; });
  }

 private:
  struct Root {
    std::shared_ptr<const Listing> listing;
    bool stale = true;      // to be read
    bool doubtful = false;  // to be read if its times have changed
    bool unwatched = false;
    bool reading = false;
    Clock::time_point since;  // when the reading began
    bool wants_reading() const { return stale || doubtful; }
  };

  bool is_late(const Root& root, Clock::time_point now) const {
    return root.reading && now - root.since >= milliseconds(options_.patience_ms);
  }

  // When the next root that is being read becomes late.
  Clock::time_point next_late(Clock::time_point now) const {
    Clock::time_point next = Clock::time_point::max();
    for (const auto& [name, root] : roots_)
      if (root.reading && !is_late(root, now)) next = std::min(next, root.since + milliseconds(options_.patience_ms));
    return next;
  }

  void take_events() {
    for (const std::string& root : watches_.read_events())
      if (const auto found = roots_.find(root); found != roots_.end()) found->second.stale = true;
  }

  void mark_doubtful() {
    const bool all = Clock::now() - checked_ >= milliseconds(options_.check_every_ms);
    if (all) checked_ = Clock::now();
    for (auto& [name, root] : roots_) root.doubtful = root.doubtful || (root.listing && (all || root.unwatched));
  }

  // One reader will do unless all there are hang.
  void want_reader(Clock::time_point now) {
    const auto late = static_cast<size_t>(
        std::count_if(roots_.begin(), roots_.end(), [&](const auto& root) { return is_late(root.second, now); }));
    if (readers_ > late) return;
    ++readers_;
    std::thread([self = shared_from_this()] { self->read_roots(); }).detach();
  }

  void listen() {
    pollfd news[2] = {{wake_, POLLIN, 0}, {watches_.fd(), POLLIN, 0}};
    for (;;) {
      poll(news, 2, -1);
      const std::lock_guard lock(mutex_);
      if (ending_) return;
      take_events();
      want_reader(Clock::now());
      work_.notify_one();
    }
  }

  void read_roots() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
      const auto next = std::find_if(roots_.begin(), roots_.end(), [](const auto& root) {
        return root.second.wants_reading() && !root.second.reading;
      });
      if (next == roots_.end()) {
        done_.notify_all();
        work_.wait(lock);
      } else {
        read_root(next->first, next->second, lock);
      }
    }
    --readers_;
    done_.notify_all();
  }

  void read_root(const std::string& name, Root& root, std::unique_lock<std::mutex>& lock) {
    const bool stale = root.stale;
    const auto before = root.listing;
    root.stale = root.doubtful = false;
    root.reading = true;
    root.since = Clock::now();
    lock.unlock();
    std::shared_ptr<Listing> listing;
    bool watched = true;
    if (stale || !before->is_current()) {
      Watches::Round round(name);
      listing = std::make_shared<Listing>(
          options_.walk(name, [&](const fs::path& directory) { watches_.add(round, directory); }));
      watched = watches_.end(round);
    }
    lock.lock();
    root.reading = false;
    if (listing) {
      if (!before || before->files != listing->files) ++generation_;
      root.listing = std::move(listing);
      root.unwatched = !watched;
    }
    done_.notify_all();
  }

  const IndexOptions options_;
  Watches watches_;
  const int wake_;

  mutable std::mutex mutex_;
  std::condition_variable work_, done_;
  // Guarded by mutex_:
  std::map<std::string, Root> roots_;
  uint64_t generation_ = 0;
  size_t readers_ = 0;
  bool ending_ = false;
  Clock::time_point checked_ = Clock::now();
  std::thread listener_;
};

Index::Index(const IndexOptions& options) : keeper_(std::make_shared<Keeper>(options)) {}
Index::~Index() { keeper_->end(); }
void Index::add(const fs::path& root) { keeper_->add(root); }
void Index::settle() { keeper_->settle(); }
std::shared_ptr<const Listing> Index::files(const fs::path& root) const { return keeper_->files(root); }
uint64_t Index::generation() const { return keeper_->generation(); }

}  // namespace easel::folders
