#include "store/places.h"

namespace easel::store {

void Places::add(Place place) {
  std::lock_guard lock(mutex_);
  if (!place.running) waiting_.insert(key(place));
  std::string id = place.prompt_id;
  by_id_.insert_or_assign(std::move(id), std::move(place));
}

std::optional<Place> Places::take() {
  std::lock_guard lock(mutex_);
  if (waiting_.empty()) return std::nullopt;
  Place& place = by_id_.at(std::get<2>(*waiting_.begin()));
  waiting_.erase(waiting_.begin());
  place.running = true;
  ++place.attempts;
  return place;
}

std::optional<Place> Places::put_back(const std::string& prompt_id, int attempt, bool counted) {
  std::lock_guard lock(mutex_);
  const auto found = by_id_.find(prompt_id);
  if (found == by_id_.end() || !found->second.running || found->second.attempts != attempt) return std::nullopt;
  Place& place = found->second;
  place.running = false;
  place.head = true;
  if (!counted) --place.attempts;
  waiting_.insert(key(place));
  return place;
}

void Places::remove(const std::string& prompt_id) {
  std::lock_guard lock(mutex_);
  const auto found = by_id_.find(prompt_id);
  if (found == by_id_.end()) return;
  waiting_.erase(key(found->second));
  by_id_.erase(found);
}

std::vector<Place> Places::remove_waiting(const std::vector<std::string>* prompt_ids,
                                          const std::optional<std::string>& owner) {
  std::lock_guard lock(mutex_);
  std::vector<Place> removed;
  const auto remove = [&](std::map<std::string, Place>::iterator found) {
    if (found == by_id_.end() || found->second.running || (owner && found->second.owner != *owner)) return;
    waiting_.erase(key(found->second));
    removed.push_back(std::move(found->second));
    by_id_.erase(found);
  };
  if (prompt_ids)
    for (const std::string& id : *prompt_ids) remove(by_id_.find(id));
  else
    for (auto each = by_id_.begin(); each != by_id_.end();) remove(each++);
  return removed;
}

std::vector<Place> Places::all() const {
  std::lock_guard lock(mutex_);
  std::vector<Place> places;
  places.reserve(by_id_.size());
  for (const auto& [id, place] : by_id_)
    if (place.running) places.push_back(place);
  for (const Key& waits : waiting_) places.push_back(by_id_.at(std::get<2>(waits)));
  return places;
}

std::optional<Place> Places::find(const std::string& prompt_id) const {
  std::lock_guard lock(mutex_);
  const auto found = by_id_.find(prompt_id);
  return found == by_id_.end() ? std::nullopt : std::optional(found->second);
}

size_t Places::size() const {
  std::lock_guard lock(mutex_);
  return by_id_.size();
}

}  // namespace easel::store
