// An exception in words that a client can show.
#pragma once
#include <functional>
#include <string>

namespace easel {

struct Failure {
  std::string type;     // "RuntimeError", "MemoryError", "torch.OutOfMemoryError", else the C++ type
  std::string message;  // valid UTF-8
  bool out_of_memory = false;
};

// Call it inside a catch block; looks at the exception being handled. `is_out_of_memory` knows the exceptions of a
// device.
Failure current_failure(const std::function<bool()>& is_out_of_memory);

// "easel::Latent" for what typeid().name() gives.
std::string readable_type(const char* mangled);

}  // namespace easel
