// Logging: log::info("got prompt {}", id). The sinks are chosen in app/.
#pragma once
#include <spdlog/spdlog.h>

namespace easel::log {
using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;
}  // namespace easel::log
