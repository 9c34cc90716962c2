// Builds a JSON value from parse events, within bounds, and in linear time also where J keeps the order of its keys.
#pragma once
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace easel {

template <class J>
class JsonBuilder {
 public:
  bool is_open() const { return !path_.empty(); }

  // An array or object begins, as the value itself or inside the one that is open.
  void begin(J container) {
    if (path_.empty()) {
      value_ = std::move(container);
      path_.push_back(&value_);
    } else {
      path_.push_back(&append(std::move(container)));
    }
  }
  void key(std::string name) { key_ = std::move(name); }
  void scalar(J value) {
    if (path_.empty()) {
      value_ = std::move(value);
    } else {
      append(std::move(value));
    }
  }
  void end() { path_.pop_back(); }

  // The value, once nothing is open.
  J take() { return std::move(value_); }

 private:
  J& append(J value) {
    J& parent = *path_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return parent.back();
    }
    if constexpr (std::is_same_v<J, OrderedJson>) {  // its look-up is linear: a key that comes twice stays twice
      auto& members = parent.template get_ref<typename J::object_t&>();
      members.emplace_back(std::move(key_), std::move(value));
      return members.back().second;
    } else {
      return parent[std::move(key_)] = std::move(value);
    }
  }

  J value_;
  std::string key_;
  std::vector<J*> path_;  // what is open, outermost first; each is the last element of the one before
};

// A handler for nlohmann's sax_parse. Throws Error, beginning with `what`, on text that is malformed or goes past a
// bound.
template <class J>
class JsonReader : public nlohmann::json_sax<J> {
 public:
  JsonReader(std::string what, size_t max_depth, size_t max_values)
      : what_(std::move(what)), max_depth_(max_depth), max_values_(max_values) {}

  J take() { return builder_.take(); }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool v) override { return scalar(v); }
  bool number_integer(int64_t v) override { return scalar(v); }
  bool number_unsigned(uint64_t v) override { return v <= INT64_MAX ? scalar(static_cast<int64_t>(v)) : scalar(v); }
  bool number_float(double v, const std::string&) override { return scalar(v); }
  bool string(std::string& v) override { return scalar(std::move(v)); }
  bool binary(typename J::binary_t& v) override { return scalar(J::binary(std::move(v))); }
  bool start_object(size_t) override { return open(J::object()); }
  bool start_array(size_t) override { return open(J::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    builder_.key(std::move(name));
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    fail("{}: {}", what_, valid_utf8(error.what()));
  }

 private:
  void count() {
    if (++values_ > max_values_) fail("{}: more than {} values, which is all that is allowed", what_, max_values_);
  }
  bool scalar(J v) {
    count();
    builder_.scalar(std::move(v));
    return true;
  }
  bool open(J container) {
    count();
    if (++depth_ > max_depth_)
      fail("{}: nested deeper than {} levels, which is all that is allowed", what_, max_depth_);
    builder_.begin(std::move(container));
    return true;
  }
  bool close() {
    --depth_;
    builder_.end();
    return true;
  }

  const std::string what_;
  const size_t max_depth_, max_values_;
  size_t depth_ = 0, values_ = 0;
  JsonBuilder<J> builder_;
};

}  // namespace easel
