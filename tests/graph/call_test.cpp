#include "graph/call.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

TEST(ConstantValue, AsTheInputsTypeWantsIt) {
  EXPECT_EQ(*constant_value(3, "INT").get<int64_t>(), 3);
  EXPECT_EQ(*constant_value(UINT64_MAX, "INT").get<uint64_t>(), UINT64_MAX);
  EXPECT_EQ(*constant_value(3, "FLOAT").get<double>(), 3.0);
  EXPECT_EQ(*constant_value(0.5, "IMAGE,FLOAT").get<double>(), 0.5);
  EXPECT_EQ(*constant_value(true, "BOOLEAN").get<bool>(), true);
  EXPECT_EQ(*constant_value("a", "STRING").get<std::string>(), "a");
  EXPECT_EQ(*constant_value(1.0, "COMBO").get<std::string>(), "1.0");
  EXPECT_EQ(*constant_value(Json::array({1}), "*").get<Json>(), Json::array({1}));
  EXPECT_TRUE(constant_value(nullptr, "*").empty());
}

}  // namespace
}  // namespace easel
