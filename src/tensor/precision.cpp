#include "tensor/precision.h"

#include <fstream>
#include <set>
#include <sstream>

namespace easel {

namespace {

bool cpu_flag(const std::set<std::string>& wanted) {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("flags", 0) != 0) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (wanted.count(word)) return true;
    }
    return false;
  }
  return false;
}

}  // namespace

bool cpu_has_bf16() {
  static const bool has = cpu_flag({"avx512_bf16", "amx_bf16"});
  return has;
}

Precision choose_precision(const PrecisionFlags& flags) {
  auto usual = cpu_has_bf16() ? at::kBFloat16 : at::kFloat;
  if (flags.force_fp16) usual = at::kHalf;
  if (flags.force_fp32) usual = at::kFloat;
  Precision precision;
  precision.network = flags.network.value_or(usual);
  // float16 overflows in the autoencoder of SD1 and SDXL, so a general --force-fp16 does not reach it.
  precision.vae = flags.vae.value_or(usual == at::kHalf ? at::kFloat : usual);
  precision.text = flags.text.value_or(at::kFloat);
  precision.int8 = flags.cpu_int8;
  return precision;
}

}  // namespace easel
