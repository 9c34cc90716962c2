// Lists, and accumulations: lists that travel as one value.
#include "nodes/testing/testing.h"

namespace easel {

struct Accumulation {
  std::vector<Value> items;
};
template <>
struct Port<Accumulation> : SocketPort<Accumulation> {
  static constexpr const char* type = "ACCUMULATION";
};

namespace {

constexpr int kMostListed = 10;

// The values that are linked, in the order of their numbers.
std::vector<Value> make_list(const Value& value1, const Others& others) {
  std::vector<Value> list = {value1};
  for (int i = 2; i <= kMostListed; ++i)
    if (const Value* value = others.find("value" + std::to_string(i))) list.push_back(*value);
  return list;
}

Accumulation append(const Value& to_add, const std::optional<Accumulation>& accumulation) {
  Accumulation longer = accumulation.value_or(Accumulation{});
  longer.items.push_back(to_add);
  return longer;
}

std::tuple<Accumulation, Value> head(Accumulation accumulation) {
  if (accumulation.items.empty()) return {accumulation, Value()};
  const Value first = accumulation.items.front();
  accumulation.items.erase(accumulation.items.begin());
  return {accumulation, first};
}

std::tuple<Accumulation, Value> tail(Accumulation accumulation) {
  if (accumulation.items.empty()) return {accumulation, Value()};
  const Value last = accumulation.items.back();
  accumulation.items.pop_back();
  return {accumulation, last};
}

// As in Python: -1 is the last.
size_t place_of(const Accumulation& accumulation, int64_t index) {
  const auto size = static_cast<int64_t>(accumulation.items.size());
  const int64_t place = index < 0 ? index + size : index;
  if (place < 0 || place >= size) fail("an accumulation of {} has no item {}", size, index);
  return static_cast<size_t>(place);
}

Value get_item(const Accumulation& accumulation, int64_t index) {
  return accumulation.items[place_of(accumulation, index)];
}

Accumulation set_item(Accumulation accumulation, int64_t index, const Value& value) {
  accumulation.items[place_of(accumulation, index)] = value;
  return accumulation;
}

}  // namespace

void add_list_nodes(Registry& registry) {
  const auto add = [&](Node node) {
    node.category = "Testing/Lists";
    testing::add(registry, std::move(node));
  };
  const Input accumulation = socket("accumulation", "ACCUMULATION");
  const Input index = integer("index", {.value = 0, .step = 1});
  add({.id = "TestMakeListNode", .inputs = {socket("value1", "*")}, .run = make_list});
  add({.id = "TestAccumulateNode", .inputs = {socket("to_add", "*"), accumulation}, .run = append});
  add({.id = "TestAccumulationHeadNode", .inputs = {accumulation}, .run = head});
  add({.id = "TestAccumulationTailNode", .inputs = {accumulation}, .run = tail});
  add({.id = "TestAccumulationToListNode", .inputs = {accumulation}, .run = [](const Accumulation& all) {
         return all.items;
       }});
  add({.id = "TestListToAccumulationNode", .inputs = {socket("list", "*")}, .run = [](std::vector<Value> list) {
         return Accumulation{std::move(list)};
       }});
  add({.id = "TestAccumulationGetLengthNode", .inputs = {accumulation}, .run = [](const Accumulation& all) {
         return static_cast<int64_t>(all.items.size());
       }});
  add({.id = "TestAccumulationGetItemNode", .inputs = {accumulation, index}, .run = get_item});
  add({.id = "TestAccumulationSetItemNode", .inputs = {accumulation, index, socket("value", "*")}, .run = set_item});
}

}  // namespace easel
