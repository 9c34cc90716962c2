// How easel fails. One exception type ends one prompt (or one request) and is caught where that ends.
#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace easel {

// The message names the function, what came, what was wanted, and a likely cause:
// "load_safetensors: 'a.safetensors' ends at byte 812 of 4096 promised by its header; perhaps the download was cut short".
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace easel
