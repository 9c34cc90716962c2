// Lazy inputs, custom checks, fingerprints, undeclared inputs, blockers, outputs in the middle.
#include <cmath>
#include <set>
#include <sstream>

#include "graph/python.h"
#include "nodes/testing/testing.h"

namespace easel {
namespace {

std::pair<double, double> range_of(const Mask& mask) {
  return {mask.values.min().item<double>(), mask.values.max().item<double>()};
}

std::vector<std::string> mix_needs(const Lazy<Image>& image1, const Lazy<Image>& image2, const Mask& mask) {
  const auto [low, high] = range_of(mask);
  std::vector<std::string> needed;
  if (!image1 && (low != 1 || high != 1)) needed.push_back("image1");
  if (!image2 && (low != 0 || high != 0)) needed.push_back("image2");
  return needed;
}

Image mix(const Lazy<Image>& image1, const Lazy<Image>& image2, const Mask& mask) {
  const auto [low, high] = range_of(mask);
  if (low == 0 && high == 0) return image1.value();
  if (low == 1 && high == 1) return image2.value();
  const Tensor share = mask.values.reshape({-1, mask.values.size(-2), mask.values.size(-1), 1});
  return {image1->pixels * (1.0 - share) + image2->pixels * share};
}

Image average(const Image& input1, const Others& others) {
  std::vector<Tensor> images = {input1.pixels};
  while (const Value* next = others.find("input" + std::to_string(images.size() + 1)))
    images.push_back(Port<Image>::from(*next).pixels);
  return {at::stack(images).mean(0)};
}

bool truth(const std::optional<Value>& value) { return value && !value->empty() && Port<bool>::from(*value); }

Json changes_if_told(const std::vector<Argument>& arguments) {
  const Argument& told = arguments.at(1);
  const bool change = !told.empty() && truth(told.front());
  return change ? Json(std::nan("")) : Json(false);
}

// ---- IMAGE,FLOAT: a number or a picture

Tensor factor(const Value& value) {
  if (const Image* image = value.get<Image>()) return image->pixels;
  return at::scalar_tensor(Port<double>::from(value), at::kFloat);
}

// Two numbers give a grey picture, whose brightness is their product.
Image multiply(const Value& input1, const Value& input2) {
  const Tensor product = factor(input1) * factor(input2);
  return product.dim() == 0 ? testing::flat_image(product.item<double>()) : Image{product};
}

// A constant that comes where an image or a float may: only a float is one.
std::optional<std::string> check_floats(const CheckQuestion& question) {
  for (const auto& [name, value] : question.constants)
    if (!value.is_null() && !value.is_number_float())
      return fmt::format("{} is of type {}, an image or a float was wanted", name, python::type_name(value));
  return std::nullopt;
}

std::set<std::string> split(const std::string& types) {
  std::set<std::string> set;
  std::istringstream stream(types);
  for (std::string type; std::getline(stream, type, ',');) set.insert(type);
  return set;
}

// Every type that may come is one of those that are taken.
bool is_subset(const std::string& received, const std::string& declared) {
  if (received == "*" || declared == "*") return true;
  const std::set<std::string> taken = split(declared);
  for (const std::string& type : split(received))
    if (!taken.count(type)) return false;
  return true;
}

std::optional<std::string> check_link_types(const CheckQuestion& question) {
  for (const auto& [name, type] : question.link_types)
    if (!is_subset(type, "IMAGE,FLOAT")) return fmt::format("{} is linked to {}, not to IMAGE or FLOAT", name, type);
  return std::nullopt;
}

std::optional<std::string> check_both(const CheckQuestion& question) {
  for (const auto& [name, type] : question.link_types)
    if (type != "IMAGE" && type != "FLOAT") return fmt::format("{} is linked to {}", name, type);
  return check_floats(question);
}

std::optional<std::string> check_sevens(const CheckQuestion& question) {
  if (question.constants.at("input2") == 7.0) return "7 is one that is not taken";
  return std::nullopt;
}

void add_checked_nodes(Registry& registry) {
  const auto add = [&](const char* id, std::vector<Input> inputs, Check check) {
    testing::add(registry, {.id = id, .inputs = std::move(inputs), .run = multiply, .check = std::move(check)});
  };
  const std::vector<Input> either = {socket("input1", "IMAGE,FLOAT"), socket("input2", "IMAGE,FLOAT")};
  add("TestCustomValidation1", either, {.inputs = {"input1", "input2"}, .run = check_floats});
  add("TestCustomValidation2", either, {.inputs = {"input1", "input2"}, .link_types = true, .run = check_both});
  add("TestCustomValidation3", either, {.link_types = true, .run = check_link_types});
  add("TestCustomValidation4", {real("input1"), real("input2")}, {});
  add("TestCustomValidation5", {real("input1", {.min = 0.0, .max = 1.0}), real("input2", {.min = 0.0, .max = 1.0})},
      {.all_inputs = true, .run = check_sevens});
}

Returned block(const Value& input, bool block, bool verbose) {
  if (!block) return {.slots = {{input}}};
  return {.slots = {}, .blocked = Blocker{verbose ? std::optional<std::string>("Blocked Execution") : std::nullopt}};
}

Json fingerprint_by_value(const std::vector<Argument>& arguments) {
  return *arguments.at(1).at(0).get<double>();  // the image is a link, so it is not known here
}

Image times(const Image& image, double value) { return {image.pixels * value}; }

}  // namespace

void add_power_nodes(Registry& registry) {
  testing::add(registry, {.id = "TestLazyMixImages",
                          .inputs = {socket("image1", "IMAGE"), socket("image2", "IMAGE"), socket("mask", "MASK")},
                          .run = mix,
                          .needs = mix_needs});
  testing::add(registry, {.id = "TestVariadicAverage", .inputs = {socket("input1", "IMAGE")}, .run = average});
  testing::add(registry, {.id = "TestCustomIsChanged",
                          .inputs = {socket("image", "IMAGE"), socket("should_change", "BOOL", {.value = false})},
                          .run = [](const Image& image, const std::optional<Value>&) { return image; },
                          .fingerprint = changes_if_told});
  testing::add(registry, {.id = "TestIsChangedWithConstants",
                          .inputs = {socket("image", "IMAGE"), real("value", {.value = 0.5, .min = 0.0, .max = 1.0})},
                          .run = times,
                          .fingerprint = fingerprint_by_value});
  add_checked_nodes(registry);
  testing::add(registry, {.id = "TestExecutionBlocker",
                          .inputs = {socket("input", "*"), boolean("block"), boolean("verbose", {.value = false})},
                          .outputs = {testing::any_output("output")},
                          .run = block});
  testing::add(registry, {.id = "TestOutputNodeWithSocketOutput",
                          .inputs = {socket("image", "IMAGE"), real("value", {.value = 1.0})},
                          .run = times,
                          .is_output = true});
}

}  // namespace easel
