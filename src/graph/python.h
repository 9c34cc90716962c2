// Python's int(), float(), bool(), str() and repr() on JSON values: clients rely on what they accept, and on the texts.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace easel::python {

// A converted value, or why it could not be converted, in Python's words.
struct Converted {
  Json value;
  std::string error;
};

// int(): the value is an integer, or, beyond 64 bits, a float near it (which the caller refuses).
Converted to_int(const Json& value);
// float(): finite, since JSON can carry nothing else ("nan" and "inf" are errors here).
Converted to_float(const Json& value);
bool to_bool(const Json& value);
std::string str(const Json& value);
std::string repr(const Json& value);
std::string quote(std::string_view text);                  // repr of a str: 'a'
std::string quote(const std::vector<std::string>& texts);  // repr of a list of them: ['a', 'b']
const char* type_name(const Json& value);                  // "int", "dict", "NoneType", …

}  // namespace easel::python
