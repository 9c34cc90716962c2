// What the page does to texts when a prompt is queued.
#pragma once
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace easel::page {

// A number below `n`, n >= 1.
using Pick = std::function<size_t(size_t n)>;

// Comments (/* */ and //) fall away, of {a|b} one alternative stays (they may nest), \{ \} and \| are the plain signs.
std::string choose_alternatives(std::string_view text, const Pick& pick);

// %date:yyyy-MM-dd% and %Node.widget% (by `look_up`; characters that no file name may hold become _); everything else
// between percent signs stays as it is.
using LookUp = std::function<std::optional<std::string>(const std::string& node, const std::string& widget)>;
std::string fill_in(const std::string& text, const std::tm& now, const LookUp& look_up);

}  // namespace easel::page
