#include "graph/failure.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <new>

#include "base/error.h"
#include "base/json.h"

namespace easel {
namespace {

constexpr const char* kMemoryAdvice =
    "\nThe loaded models were dropped from memory. A smaller picture, a smaller batch or a lower precision may fit.";

// libtorch appends the C++ call stack to its messages.
std::string without_stack(const std::string& message) {
  return message.substr(0, message.find("\nException raised from "));
}

}  // namespace

std::string readable_type(const char* mangled) {
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(mangled, nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : mangled;
}

Failure current_failure(const std::function<bool()>& is_out_of_memory) {
  const bool device_full = is_out_of_memory && is_out_of_memory();
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return {"MemoryError", std::string("not enough memory") + kMemoryAdvice, true};
  } catch (const std::exception& error) {
    const std::string message = valid_utf8(without_stack(error.what()));
    if (device_full) return {"torch.OutOfMemoryError", "out of memory on the device: " + message + kMemoryAdvice, true};
    const bool plain = dynamic_cast<const std::runtime_error*>(&error) != nullptr;
    return {plain ? "RuntimeError" : readable_type(typeid(error).name()), message, false};
  } catch (...) {
    return {"UnknownError", "something that is no std::exception was thrown", device_full};
  }
}

}  // namespace easel
