// Versions as /system_stats shows them.
#pragma once

namespace easel::server {

inline constexpr const char* kVersion = "0.1.0";
inline constexpr const char* kComfyVersion = "0.3.64";      // the program whose API this is
inline constexpr const char* kFrontendVersion = "1.27.10";  // the page that is served unless another is asked for
inline constexpr const char* kTemplatesVersion = "0.1.95";

}  // namespace easel::server
