#pragma once
#include <string>
#include <string_view>

namespace easel::server {

// Also behind a "data:…;base64," prefix. Throws Error for anything that is not base64.
std::string base64_decode(std::string_view text);

}  // namespace easel::server
