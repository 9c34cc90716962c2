#include "test_worker/test_nodes.h"

#include <chrono>
#include <cstdlib>
#include <new>
#include <numeric>
#include <thread>

namespace easel::test {
namespace {

std::string text_of(const Value& value) {
  if (auto v = value.get<std::string>()) return *v;
  if (auto v = value.get<int64_t>()) return std::to_string(*v);
  if (auto v = value.get<uint64_t>()) return std::to_string(*v);
  if (auto v = value.get<double>()) return Json(*v).dump();
  if (auto v = value.get<bool>()) return *v ? "True" : "False";
  if (auto v = value.get<Json>()) return v->dump();
  return value.empty() ? "None" : "?";
}

// Sleeps in steps of 10 ms, each a step of progress, with a preview of 4 bytes.
Value sleep_for(Context& context, Value value, double seconds) {
  const int64_t steps = std::max<int64_t>(1, static_cast<int64_t>(seconds * 100));
  for (int64_t step = 1; step <= steps; ++step) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    context.progress(step, steps, [] { return Preview{"image/jpeg", "\xFF\xD8\xFF\xD9"}; });
  }
  return value;
}

using Ran = std::function<void(const std::string&, const std::string&)>;

// Tells `ran` before the function runs.
template <class R, class... A>
auto watched(Ran ran, std::string type, R (*function)(Context&, A...)) {
  return [=](Context& context, A... arguments) -> R {
    if (ran) ran(context.node_id(), type);
    return function(context, std::move(arguments)...);
  };
}

}  // namespace

void add_test_nodes(Registry& registry, Probe probe) {
  const auto add = [&](Node node, auto function) {
    node.category = "test";
    node.module = "test_nodes";
    node.run = watched(probe.ran, node.id, function);
    registry.add(std::move(node));
  };
  const Input any = socket("value", "*");

  add(
      {.id = "TestInt",
       .inputs = {integer("value", {.value = 0, .min = 0, .max = UINT64_MAX})},
       .outputs = {{.name = "value"}}},
      +[](Context&, uint64_t value) { return value; });
  add(
      {.id = "TestText", .inputs = {text("value", {.multiline = true})}},
      +[](Context&, std::string value) { return value; });
  add(
      {.id = "TestAdd", .inputs = {integer("a"), integer("b")}}, +[](Context&, int64_t a, int64_t b) { return a + b; });
  add({.id = "TestSleep", .inputs = {any, real("seconds", {.value = 0.1, .min = 0.0, .max = 600.0})}}, &sleep_for);
  add(
      {.id = "TestFail", .inputs = {any, text("message", {.value = "it failed"})}},
      +[](Context&, Value, std::string message) -> Value { fail("{}", message); });
  add(
      {.id = "TestCrash", .inputs = {any}}, +[](Context&, Value) -> Value { std::abort(); });
  add(
      {.id = "TestHang", .inputs = {any}}, +[](Context&, Value) -> Value {  // shows no sign of life any more
        for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
      });
  add(
      {.id = "TestOutOfMemory", .inputs = {any}}, +[](Context&, Value) -> Value { throw std::bad_alloc(); });
  add(
      {.id = "TestRange",  // a list of `count` numbers
       .inputs = {integer("first", {.value = 0}), integer("count", {.value = 3, .min = 0, .max = 1000})}},
      +[](Context&, int64_t first, int64_t count) {
        std::vector<int64_t> numbers;
        for (int64_t i = 0; i < count; ++i) numbers.push_back(first + i);
        return numbers;
      });
  add(
      {.id = "TestSum",  // takes whole lists
       .inputs = {integer("numbers"), {.name = "more", .type = "INT", .optional = true}}},
      +[](Context&, std::vector<int64_t> numbers, std::vector<int64_t> more) {
        return std::accumulate(more.begin(), more.end(), std::accumulate(numbers.begin(), numbers.end(), int64_t{0}));
      });
  add(
      {.id = "TestOptional", .inputs = {integer("value"), integer("other", {.value = 5})}},
      +[](Context&, int64_t value, std::optional<int64_t> other) {
        return std::tuple(value + other.value_or(100), std::string(other ? "given" : "absent"));
      });
  add(
      {.id = "TestFingerprint",
       .inputs = {integer("value")},
       .fingerprint = [fingerprint = probe.fingerprint](
                          const std::vector<Argument>&) { return fingerprint ? fingerprint() : Json(nullptr); }},
      +[](Context&, int64_t value) { return value; });
  add(
      {.id = "TestById", .inputs = {integer("value")}, .hidden = {{"unique_id", "UNIQUE_ID"}}},
      +[](Context&, int64_t value) { return value; });
  add(
      {.id = "TestShow", .inputs = {any}, .is_output = true}, +[](Context& context, Value value) {
        context.text("showing " + text_of(value));
        return Ui{{{"text", {text_of(value)}}}};
      });
  add(
      {.id = "TestPass", .inputs = {any}, .is_output = true},  // an output that something may be linked to
      +[](Context&, Value value) {
        return WithUi<Value>{{value}, {{{"passed", {text_of(value)}}}}};
      });
}

}  // namespace easel::test
