// Nodes that run beside others: they wait, fail, share and report.
#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "nodes/testing/testing.h"

namespace easel {
namespace {

constexpr double kStep = 0.01;      // seconds between two reports
constexpr double kThinking = 0.05;  // seconds that a check pretends to take

// A hundred reports a second, by the clock.
Value sleep(Context& context, Value value, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const auto max = std::max<int64_t>(1, static_cast<int64_t>(seconds / kStep));
  for (double past = 0; past < seconds;) {
    context.sleep(std::min(kStep, seconds - past));
    past = std::chrono::duration<double>(Clock::now() - begin).count();
    context.progress(std::min(max, static_cast<int64_t>(past / kStep)), max);
  }
  return value;
}

Value fail_after(Context& context, const Value&, double error_after) {
  context.sleep(error_after);
  fail("this node runs beside others and fails on purpose");
}

Value time_out(Context& context, Value value, double timeout, double operation_time) {
  context.sleep(std::min(timeout, operation_time));
  if (operation_time > timeout) fail("timeout: the operation took longer than {} seconds", timeout);
  return value;
}

// One at a time for each name; two at once are an error.
Run use_resource() {
  struct InUse {
    std::mutex mutex;
    std::set<std::string> names;
  };
  return [in_use = std::make_shared<InUse>()](Context& context, Value value, const std::string& id,
                                              double duration) -> Value {
    {
      std::lock_guard lock(in_use->mutex);
      if (!in_use->names.insert(id).second) fail("the resource '{}' is in use already", id);
    }
    const std::unique_ptr<const std::string, std::function<void(const std::string*)>> release(
        &id, [&](const std::string* name) {
          std::lock_guard lock(in_use->mutex);
          in_use->names.erase(*name);
        });
    context.sleep(duration);
    return value;
  };
}

// Two at once, the others wait.
Run limited() {
  struct Places {
    std::mutex mutex;
    int free = 2;
  };
  return [places = std::make_shared<Places>()](Context& context, Value value, double duration, int64_t) -> Value {
    const auto enter = [&] {
      std::lock_guard lock(places->mutex);
      return places->free > 0 && places->free-- > 0;
    };
    while (!enter()) context.sleep(kStep);
    const std::shared_ptr<void> leave(nullptr, [&](void*) {
      std::lock_guard lock(places->mutex);
      ++places->free;
    });
    context.sleep(duration);
    return value;
  };
}

// The negative of each image, one after another.
Image batch(Context& context, const Image& images, double seconds_each) {
  const int64_t count = images.pixels.size(0);
  for (int64_t i = 1; i <= count; ++i) {
    context.sleep(seconds_each);
    context.progress(i, count);
  }
  return {1.0 - images.pixels};
}

std::vector<std::string> lazy_needs(Context& context, const Lazy<Value>& input1, const Lazy<Value>& input2,
                                    bool condition) {
  context.sleep(kThinking);
  if (condition && !input1) return {"input1"};
  if (!condition && !input2) return {"input2"};
  return {};
}

Image lazy_result(Context&, const Lazy<Value>&, const Lazy<Value>&, bool) { return testing::flat_image(1); }

// Constants that are linked are not judged.
Check at_most(const std::string& value, const std::string& limit) {
  return {.inputs = {value, limit}, .run = [=](const CheckQuestion& question) -> std::optional<std::string> {
            std::this_thread::sleep_for(std::chrono::duration<double>(kThinking));
            const Json &given = question.constants.at(value), &most = question.constants.at(limit);
            if (!given.is_number() || !most.is_number() || given.get<double>() <= most.get<double>())
              return std::nullopt;
            return fmt::format("{} is more than {} allows, which is {}", given.dump(), limit, most.dump());
          }};
}

void add_checked(Registry& registry) {
  const auto add = [&](const char* id, const char* limit, Run run) {
    testing::add(registry, {.id = id,
                            .category = "Testing/Async",
                            .inputs = {real("value", {.value = 5.0}), real(limit, {.value = 10.0})},
                            .run = std::move(run),
                            .check = at_most("value", limit),
                            .overlap = Overlap::kFree});
  };
  add("TestAsyncValidation", "threshold", [](double value, double) { return testing::flat_image(value / 10); });
  add("TestAsyncValidationError", "max_value",
      [](double value, double max_value) { return testing::flat_image(value / max_value); });
}

}  // namespace

void add_beside_nodes(Registry& registry) {
  const auto add = [&](Node node) {
    node.category = "Testing/Async";
    testing::add(registry, std::move(node));
  };
  const auto seconds = [](const char* name, double value, double most = 10.0) {
    return real(name, {.value = value, .min = 0.0, .max = most, .step = 0.01});
  };
  const std::vector<std::pair<std::string, std::string>> by_id = {{"unique_id", "UNIQUE_ID"}};
  const Input any = socket("value", "*");
  constexpr Overlap kFree = Overlap::kFree;

  add({.id = "TestSleep",
       .inputs = {any, seconds("seconds", 1.0, 9999.0)},
       .run = sleep,
       .hidden = by_id,
       .overlap = kFree});
  add({.id = "TestAsyncError", .inputs = {any, seconds("error_after", 0.5)}, .run = fail_after, .overlap = kFree});
  add({.id = "TestSyncError", .inputs = {any}, .run = [](const Value&) -> Value {
         fail("this node fails on purpose");
       }});
  add({.id = "TestAsyncTimeout",
       .inputs = {any, seconds("timeout", 1.0), seconds("operation_time", 2.0)},
       .run = time_out,
       .overlap = kFree});
  add({.id = "TestAsyncResourceUser",
       .inputs = {any, text("resource_id", {.value = "resource_0"}), seconds("duration", 0.5)},
       .run = use_resource(),
       .overlap = kFree});
  add({.id = "TestAsyncConcurrentLimit",
       .inputs = {any, seconds("duration", 0.5), integer("node_id", {.value = 0})},
       .run = limited(),
       .overlap = kFree});
  add({.id = "TestAsyncBatchProcessing",
       .inputs = {socket("images", "IMAGE"), seconds("process_time_per_item", 0.1, 1.0)},
       .run = batch,
       .hidden = by_id,
       .overlap = kFree});
  add({.id = "TestAsyncLazyCheck",
       .inputs = {socket("input1", "*"), socket("input2", "*"), boolean("condition", {.value = true})},
       .run = lazy_result,
       .needs = lazy_needs});
  add({.id = "TestAsyncProgressUpdate",
       .inputs = {any, seconds("wait_seconds", 1.0, 100.0)},
       .run = sleep,
       .is_output = true,
       .hidden = by_id,
       .overlap = kFree});
  add({.id = "TestSyncProgressUpdate",
       .inputs = {any, seconds("wait_seconds", 1.0, 100.0)},
       .run = sleep,
       .is_output = true,
       .hidden = by_id});
  add_checked(registry);
}

}  // namespace easel
