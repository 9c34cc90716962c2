// Port<T>: how a C++ type appears as a socket. A type of your own is one specialisation:
//
//   template <> struct Port<Latent> : SocketPort<Latent> { static constexpr const char* type = "LATENT"; };
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "graph/prompt.h"
#include "graph/value.h"

namespace easel {

template <class T>
struct Port;

template <class T>
struct SocketPort {
  static T from(const Value& value) {
    if (const T* found = value.get<T>()) return *found;
    fail("a value of C++ type {} came into a socket of another type", value.type_name());
  }
  static Value wrap(T value) { return Value::of<T>(std::move(value)); }
};

// Numbers convert as Python's int() and float() would: the engine stores INT as int64_t, or uint64_t where it does not
// fit (seeds up to 2^64-1), FLOAT as double, BOOLEAN as bool.
template <class T>
struct NumberPort {
  static T from(const Value& value) {
    if (auto v = value.get<int64_t>()) return static_cast<T>(*v);
    if (auto v = value.get<uint64_t>()) return static_cast<T>(*v);
    if (auto v = value.get<double>()) return static_cast<T>(*v);
    if (auto v = value.get<bool>()) return static_cast<T>(*v);
    fail("a number was wanted, a value of C++ type {} came", value.type_name());
  }
};

template <>
struct Port<int64_t> : NumberPort<int64_t> {
  static constexpr const char* type = "INT";
  static Value wrap(int64_t v) { return Value::of(v); }
};
template <>
struct Port<uint64_t> : NumberPort<uint64_t> {
  static constexpr const char* type = "INT";
  static Value wrap(uint64_t v) { return v <= INT64_MAX ? Value::of(static_cast<int64_t>(v)) : Value::of(v); }
};
template <>
struct Port<double> : NumberPort<double> {
  static constexpr const char* type = "FLOAT";
  static Value wrap(double v) { return Value::of(v); }
};
template <>
struct Port<bool> : NumberPort<bool> {
  static constexpr const char* type = "BOOLEAN";
  static Value wrap(bool v) { return Value::of(v); }
};
template <>
struct Port<std::string> : SocketPort<std::string> {  // COMBO inputs are strings too
  static constexpr const char* type = "STRING";
};
template <>
struct Port<Json> : SocketPort<Json> {
  static constexpr const char* type = "JSON";
};
template <>
struct Port<Link> : SocketPort<Link> {  // what an input with raw_link gets
  static constexpr const char* type = "LINK";
};
template <>
struct Port<Value> {  // the wildcard
  static constexpr const char* type = "*";
  static Value from(const Value& value) { return value; }
  static Value wrap(Value value) { return value; }
};

}  // namespace easel
