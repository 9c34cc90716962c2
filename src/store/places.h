// Who stands where in the queue: the order, in memory, so that taking the next job or counting them never waits for the
// disk. The texts stay in the database. Thread-safe.
#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace easel::store {

struct Place {
  std::string prompt_id, owner;
  double number = 0;
  int64_t seq = 0;
  bool head = false;  // ran when the server ended, or was put back: goes before all others
  bool running = false;
  int attempts = 0;
};

class Places {
 public:
  void add(Place place);
  // The first that waits, marked as running with its attempt counted.
  std::optional<Place> take();
  std::optional<Place> put_back(const std::string& prompt_id, int attempt, bool counted);
  void remove(const std::string& prompt_id);
  // Takes those out that wait (all without `prompt_ids`, one user's if `owner` is given); the running ones stay.
  std::vector<Place> remove_waiting(const std::vector<std::string>* prompt_ids,
                                    const std::optional<std::string>& owner);

  std::vector<Place> all() const;  // the running ones, then the waiting ones in their order
  std::optional<Place> find(const std::string& prompt_id) const;
  size_t size() const;

 private:
  using Key = std::tuple<bool, double, std::string, int64_t>;  // not head, number, prompt_id, seq
  static Key key(const Place& place) { return {!place.head, place.number, place.prompt_id, place.seq}; }

  mutable std::mutex mutex_;  // guards what follows
  std::map<std::string, Place> by_id_;
  std::set<Key> waiting_;
};

}  // namespace easel::store
