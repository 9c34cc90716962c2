// Comparing with the recorded behaviour under EASEL_PARITY (default: ../shared/parity beside the sources).
//
//   TEST(Unet, Parity) {
//     EASEL_NEEDS_PARITY();
//     parity::Golden golden("sd15/unet");
//     for (auto& test : golden.cases()) {
//       auto x = golden.input(test["inputs"]["x"]);
//       golden.compare(test, "eps", my_function(x));
//     }
//   }  // prints a table: case, largest difference, relative l2, tolerance, verdict
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "formats/tensor_file.h"
#include "parity/formula.h"
#include "tensor/weights.h"

namespace easel::parity {

// The parity kit, or nothing where it is absent.
inline std::optional<std::filesystem::path> folder() {
  std::filesystem::path path;
  if (const char* given = std::getenv("EASEL_PARITY")) {
    path = given;
  } else if (const char* source = std::getenv("EASEL_SOURCE_DIR")) {
    path = std::filesystem::path(source) / ".." / "shared" / "parity";
  }
  return !path.empty() && std::filesystem::exists(path / "README.md") ? std::optional(path) : std::nullopt;
}

#define EASEL_NEEDS_PARITY() \
  if (!::easel::parity::folder()) GTEST_SKIP() << "the parity kit is not there: set EASEL_PARITY to its folder"

inline Json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) fail("read_json: cannot open '{}'", path.string());
  return Json::parse(file);
}

inline std::vector<int64_t> shape_of(const Json& spec) { return spec.at("shape").get<std::vector<int64_t>>(); }

// {"formula": NAME, "shape": [...], "mean": m, "std": s[, "then": "clamp01"]}
inline Tensor formula(const Json& spec) {
  auto tensor =
      formula(spec.at("formula").get<std::string>(), shape_of(spec), spec.value("mean", 0.0), spec.value("std", 1.0));
  if (spec.value("then", "") == "clamp01") tensor.clamp_(0, 1);
  return tensor;
}

// The tensors of specs/<spec>.json in memory: for models of small sizes.
inline std::map<std::string, Tensor> spec_tensors(const std::string& spec, at::ScalarType dtype = at::kFloat) {
  std::map<std::string, Tensor> tensors;
  const auto json = read_json(*folder() / "specs" / (spec + ".json"));
  for (const auto& [name, entry] : json.items()) {
    tensors[name] = formula(name, shape_of(entry), entry.at("mean"), entry.at("std"), dtype);
  }
  return tensors;
}

class Golden {
 public:
  // group: "sd15/unet" reads sd15/unet.json and, where there is one, sd15/unet.safetensors.
  // relative_l2: the limit on ||mine - golden|| / ||golden||, beside the group's own tolerance.
  explicit Golden(const std::string& group, double relative_l2 = 1e-4) : group_(group), relative_l2_(relative_l2) {
    json_ = read_json(*folder() / (group + ".json"));
    const auto tensors = *folder() / (group + ".safetensors");
    if (std::filesystem::exists(tensors)) file_ = load_safetensors(tensors);
    const auto& tolerance = json_.value("tolerance", Json::object());
    rtol_ = tolerance.value("rtol", 1e-4);
    atol_ = tolerance.value("atol", 1e-4);
  }
  Golden(const Golden&) = delete;
  ~Golden() {
    printf("%-44s %12s %12s %22s  %s\n", group_.c_str(), "max|diff|", "rel l2", "tolerance", "verdict");
    for (const auto& row : rows_) printf("%s\n", row.c_str());
  }

  const Json& json() const { return json_; }
  const Json& cases() const { return json_.at("cases"); }
  const Json& find(const std::string& name) const {
    for (const auto& test : cases()) {
      if (test.at("case") == name) return test;
    }
    fail("Golden: '{}' has no case '{}'", group_, name);
  }

  Tensor input(const Json& spec) const { return spec.contains("tensor") ? tensor(spec.at("tensor")) : formula(spec); }
  // The recorded tensor under KEY, "<case>/<name>".
  Tensor tensor(const std::string& key) const {
    auto* span = file_ ? file_->find(key) : nullptr;
    if (!span) fail("Golden: '{}.safetensors' has no tensor '{}'", group_, key);
    return view_of(file_, *span);
  }

  // Expects `mine` to be the recorded output `name` of `test`, within `allowance` times the group's tolerance.
  void compare(const Json& test, const std::string& name, const Tensor& mine, double allowance = 1) {
    const auto& key = test.at("outputs").at(name).at("tensor").get_ref<const std::string&>();
    compare(key, mine, tensor(key), allowance);
  }
  void compare(const std::string& label, const Tensor& mine, const Tensor& golden, double allowance = 1) {
    if (mine.sizes() != golden.sizes()) {
      std::ostringstream shapes;
      shapes << mine.sizes() << " instead of " << golden.sizes();
      ADD_FAILURE() << group_ << " " << label << ": shape " << shapes.str();
      return;
    }
    const auto a = mine.to(at::kDouble), b = golden.to(at::kDouble);
    const auto same = a.eq(b).logical_or(a.isnan().logical_and(b.isnan()));
    const auto difference = at::where(same, at::zeros_like(a), (a - b).abs()).nan_to_num(1e300, 1e300, 1e300);
    const double largest = difference.numel() ? difference.max().item<double>() : 0;
    const double relative =
        difference.norm().item<double>() / std::max(b.nan_to_num(0, 0, 0).norm().item<double>(), 1e-30);
    const bool within = (difference <= allowance * (atol_ + rtol_ * b.abs())).logical_or(same).all().item<bool>();
    const bool ok = within && relative <= relative_l2_;
    rows_.push_back(fmt::format("{:<44} {:12.3g} {:12.3g} {:>22}  {}", label, largest, relative,
                                fmt::format("{:g}+{:g}x, l2 {:g}", allowance * atol_, allowance * rtol_, relative_l2_),
                                ok ? "ok" : "FAIL"));
    EXPECT_TRUE(ok) << group_ << " " << label << ": largest difference " << largest << ", relative l2 " << relative;
  }

 private:
  std::string group_;
  double relative_l2_, rtol_ = 0, atol_ = 0;
  Json json_;
  TensorFilePtr file_;
  std::vector<std::string> rows_;
};

}  // namespace easel::parity
