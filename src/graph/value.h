// A Value is what travels along a link: any C++ value, shared and never changed after it was made.
#pragma once
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <typeinfo>
#include <utility>

namespace easel {

namespace detail {
// What a value holds, in bytes. A type that holds more than itself says so with `size_t byte_size(const T&)` beside it.
template <class T>
size_t bytes_of(const T& value) {
  if constexpr (requires {
                  { byte_size(value) } -> std::convertible_to<size_t>;
                })
    return byte_size(value);
  else if constexpr (std::is_same_v<T, std::string>)
    return sizeof(T) + value.capacity();
  else
    return sizeof(T);
}
}  // namespace detail

class Value {
 public:
  Value() = default;  // nothing: an input that is not connected

  template <class T>
  static Value of(T value) {
    Value made;
    made.bytes_ = detail::bytes_of(value);
    made.data_ = std::make_shared<const T>(std::move(value));
    made.type_ = &typeid(T);
    return made;
  }

  // The value if it is a T, else null.
  template <class T>
  const T* get() const {
    return type_ && *type_ == typeid(T) ? static_cast<const T*>(data_.get()) : nullptr;
  }

  bool empty() const { return !data_; }
  size_t bytes() const { return bytes_; }
  const char* type_name() const { return type_ ? type_->name() : "nothing"; }

 private:
  std::shared_ptr<const void> data_;
  const std::type_info* type_ = nullptr;
  size_t bytes_ = 0;
};

// In place of a value (Value::of(Blocker{})): the call that would take it is not made, and each of its outputs is
// blocked in turn. A message is reported to the client where the blocker is first met; the prompt goes on.
struct Blocker {
  std::optional<std::string> message;
};

}  // namespace easel
