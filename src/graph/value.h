// A Value is what travels along a link: any C++ value, shared and never changed after it was made.
#pragma once
#include <memory>
#include <typeinfo>
#include <utility>

namespace easel {

class Value {
 public:
  Value() = default;  // nothing: an input that is not connected

  template <class T>
  static Value of(T value) {
    Value made;
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
  const char* type_name() const { return type_ ? type_->name() : "nothing"; }

 private:
  std::shared_ptr<const void> data_;
  const std::type_info* type_ = nullptr;
};

}  // namespace easel
