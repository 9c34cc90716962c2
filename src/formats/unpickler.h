// A pickle read as data: protocols 0 to 5, the opcodes that torch.save and Python's pickle write. No class is looked up
// and nothing is called: the handful of callables that tensor files need are imitated (pickle_calls.cpp), any other
// gives an inert Opaque, and names that are only ever used for an attack end the reading.
#pragma once
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/pickle_value.h"

namespace easel::pickle {

inline constexpr size_t kMaxPickle = 64u << 20;  // bytes of pickle (tensors lie beside it)
inline constexpr size_t kMaxValues = 4u << 20;

class Unpickler {
 public:
  // `name` stands in the messages. The bytes must outlive the reader: its texts point into them.
  explicit Unpickler(std::string name) : name_(std::move(name)) {}

  // Reads one pickle from the front of `bytes` and says how many bytes it took. Throws Error.
  std::pair<Id, size_t> read(std::string_view bytes);

  const Value& operator[](Id id) const { return values_[id]; }
  const std::unordered_map<std::string_view, Id>& storages() const { return storages_; }  // by key

  template <class T>
  const T* get(Id id) const {
    return std::get_if<T>(&values_[id]);
  }

 private:
  // opcodes: unpickler.cpp
  bool step();  // false at STOP
  bool step_number(uint8_t op);
  bool step_text(uint8_t op);
  bool step_container(uint8_t op);
  bool step_memo(uint8_t op);
  bool step_object(uint8_t op);
  std::string_view take(uint64_t size);
  uint64_t take_integer(int bytes);
  std::string_view take_line();
  Id push(Value value);
  Id pop();
  std::vector<Id> pop_to_mark();
  void append_to(Id target, std::span<const Id> items);
  void set_items(Id target, std::span<const Id> items);
  [[noreturn]] void refuse(const std::string& why) const;

  // meanings: pickle_calls.cpp
  Value global(std::string_view module, std::string_view name);
  Value call(Id callable, Id arguments);
  Value call_known(const Global& type, const std::vector<Id>& arguments);
  std::optional<Value> rebuild_tensor(const std::vector<Id>& arguments, size_t dtype_argument);
  void build(Id object, Id state);
  Id persistent(Id reference);
  const std::vector<Id>* items_of(Id id) const;  // of a list or tuple
  std::optional<std::vector<int64_t>> integers_of(Id id) const;
  int64_t integer_of(Id id) const;
  void spend(size_t items);
  std::string_view text_of(Id id) const;
  std::string_view keep(std::string text);

  std::string name_;
  std::string_view bytes_;
  size_t at_ = 0;
  std::vector<Value> values_;
  std::vector<Id> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Id> memo_;
  std::unordered_map<std::string_view, Id> storages_;
  size_t spent_ = 0;              // items copied from one value to another, bounded like the values themselves
  std::deque<std::string> kept_;  // texts that are not in the bytes
};

}  // namespace easel::pickle
