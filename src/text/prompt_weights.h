// ComfyUI's prompt weights: "(a:1.2)", nested ×1.1, "\(" for a bracket itself. Shared by all tokenizers.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace easel {

struct WeightedText {
  std::string text;  // escapes resolved
  double weight = 1;
};

// Throws Error for parentheses nested deeper than 500.
std::vector<WeightedText> parse_prompt_weights(std::string_view prompt);

// Python's float(): spaces around, underscores between digits, "nan", "inf", any script's decimal digits.
std::optional<double> parse_python_float(std::string_view text);

}  // namespace easel
