// Arithmetic and conditions, as Python has them.
#include <cmath>

#include "nodes/python_regex.h"
#include "nodes/testing/testing.h"

namespace easel {
namespace {

int64_t divide(int64_t a, int64_t b) {
  if (b == 0) fail("division of {} by zero", a);
  if (b == -1) return -a;
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

// What one of the compiler's checked operations gives.
template <class F>
int64_t checked(F operation, int64_t a, int64_t b) {
  int64_t result = 0;
  if (operation(a, b, &result)) fail("the result does not fit into 64 bits");
  return result;
}

int64_t times(int64_t a, int64_t b) {
  return checked([](auto x, auto y, auto* z) { return __builtin_mul_overflow(x, y, z); }, a, b);
}

int64_t power(int64_t a, int64_t b) {
  if (b < 0) fail("{} to the power of {} is no whole number", a, b);
  int64_t result = 1;
  for (; b > 0 && result != 0; --b) {
    if (a == 1 || a == -1) return b % 2 ? result * a : result;
    result = times(result, a);
  }
  return result;
}

int64_t int_math(int64_t a, int64_t b, const std::string& operation) {
  if (operation == "add") return checked([](auto x, auto y, auto* z) { return __builtin_add_overflow(x, y, z); }, a, b);
  if (operation == "subtract")
    return checked([](auto x, auto y, auto* z) { return __builtin_sub_overflow(x, y, z); }, a, b);
  if (operation == "multiply") return times(a, b);
  if (operation == "divide") return divide(a, b);
  if (operation == "modulo") return b == -1 ? 0 : a - divide(a, b) * b;
  return power(a, b);
}

template <class T>
bool compare(T a, T b, const std::string& operation) {
  if (operation == "==") return a == b;
  if (operation == "!=") return a != b;
  if (operation == "<") return a < b;
  if (operation == ">") return a > b;
  if (operation == "<=") return a <= b;
  return a >= b;
}

std::string lower(std::string text) { return icu::UnicodeString::fromUTF8(text).toLower().toUTF8String(text = {}); }

bool compare_text(std::string a, std::string b, const std::string& operation, bool case_sensitive) {
  if (!case_sensitive) a = lower(a), b = lower(b);
  if (operation == "a == b") return a == b;
  if (operation == "a != b") return a != b;
  if (operation == "a IN b") return b.find(a) != std::string::npos;
  if (operation == "a BEGINSWITH b") return a.starts_with(b);
  if (operation == "a ENDSWITH b") return a.ends_with(b);
  const auto matches = PythonRegex(b, {}).find(a, 1);  // re.match: at the beginning
  return !matches.empty() && matches.front().begin == 0;
}

bool combine(bool a, bool b, const std::string& op) {
  if (op == "a AND b") return a && b;
  if (op == "a OR b") return a || b;
  if (op == "a XOR b") return a != b;
  return !a;
}

// bool(): a picture or a mask is true unless it is all black.
bool to_bool(const Value& value, const std::optional<bool>& invert) {
  bool truth = !value.empty();
  if (auto v = value.get<std::string>()) truth = !v->empty();
  if (auto v = value.get<int64_t>()) truth = *v != 0;
  if (auto v = value.get<double>()) truth = *v != 0;
  if (auto v = value.get<bool>()) truth = *v;
  if (auto v = value.get<Json>()) truth = !v->empty();
  if (auto v = value.get<Image>()) truth = v->pixels.any().item<bool>();
  if (auto v = value.get<Mask>()) truth = v->values.any().item<bool>();
  return truth != invert.value_or(false);
}

}  // namespace

void add_number_nodes(Registry& registry) {
  const auto add = [&](const char* id, std::vector<Input> inputs, Run run) {
    testing::add(registry, {.id = id, .category = "Testing/Logic", .inputs = std::move(inputs), .run = std::move(run)});
  };
  const double largest = static_cast<double>(UINT64_MAX);
  const auto whole = [&](const char* name) {
    return integer(name, {.value = 0, .min = -largest, .max = largest, .step = 1});
  };
  const auto number = [](const char* name) {
    return real(name, {.value = 0.0, .min = -999999999999.0, .max = 999999999999.0, .step = 1});
  };
  const auto line = [](const char* name) { return text(name, {.multiline = false}); };
  const Input comparison = choice("operation", {"==", "!=", "<", ">", "<=", ">="});

  add("TestIntMathOperation",
      {whole("a"), whole("b"), choice("operation", {"add", "subtract", "multiply", "divide", "modulo", "power"})},
      int_math);
  add("TestIntConditions", {whole("a"), whole("b"), comparison}, compare<int64_t>);
  add("TestFloatConditions", {number("a"), number("b"), comparison}, compare<double>);
  add("TestStringConditions",
      {line("a"), line("b"),
       choice("operation", {"a == b", "a != b", "a IN b", "a MATCH REGEX(b)", "a BEGINSWITH b", "a ENDSWITH b"}),
       boolean("case_sensitive", {.value = true})},
      compare_text);
  add("TestBoolOperationNode",
      {boolean("a", {.value = false}), boolean("b", {.value = false}),
       choice("op", {"a AND b", "a OR b", "a XOR b", "NOT a"})},
      combine);
  add("TestToBoolNode", {socket("value", "*"), boolean("invert", {.value = false})}, to_bool);
}

}  // namespace easel
