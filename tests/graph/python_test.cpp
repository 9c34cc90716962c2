#include "graph/python.h"

#include <gtest/gtest.h>

namespace easel::python {
namespace {

struct Case {
  Json from;
  Json to;  // null: refused
};

// What CPython 3 answers; where it knows big integers, "beyond" is a float.
TEST(Python, Int) {
  const Case cases[] = {{3, 3},
                        {-3, -3},
                        {3.9, 3},
                        {-3.9, -3},
                        {-0.0, 0},
                        {true, 1},
                        {false, 0},
                        {"3", 3},
                        {" 42\n", 42},
                        {"+7", 7},
                        {"-7", -7},
                        {"1_000", 1000},
                        {"007", 7},
                        {18446744073709551615u, 18446744073709551615u},
                        {"18446744073709551615", 18446744073709551615u},
                        {"-9223372036854775808", INT64_MIN},
                        {"18446744073709551616", 18446744073709551616.0},
                        {"-9223372036854775809", -9223372036854775809.0},
                        {1e30, 1e30},
                        {"3.0", nullptr},
                        {"wide", nullptr},
                        {"", nullptr},
                        {" ", nullptr},
                        {"-", nullptr},
                        {"_1", nullptr},
                        {"1_", nullptr},
                        {"1__0", nullptr},
                        {"0x10", nullptr},
                        {"--1", nullptr},
                        {"1 2", nullptr},
                        {nullptr, nullptr},
                        {Json::array({1}), nullptr},
                        {Json::object(), nullptr}};
  for (const Case& one : cases) {
    const Converted got = to_int(one.from);
    EXPECT_EQ(got.error.empty(), !one.to.is_null()) << one.from << ": " << got.error;
    if (!got.error.empty()) continue;
    EXPECT_EQ(got.value, one.to) << one.from;
  }
  EXPECT_EQ(to_int("wide").error, "invalid literal for int() with base 10: 'wide'");
  EXPECT_EQ(to_int(nullptr).error,
            "int() argument must be a string, a bytes-like object or a real number, not 'NoneType'");
}

TEST(Python, Float) {
  const Case cases[] = {{3, 3.0},
                        {true, 1.0},
                        {"3", 3.0},
                        {" 1e3 ", 1000.0},
                        {".5", 0.5},
                        {"5.", 5.0},
                        {"+1.5", 1.5},
                        {"-1.5", -1.5},
                        {"1_0.5", 10.5},
                        {"1e-400", 0.0},
                        {"nan", nullptr},
                        {"inf", nullptr},
                        {"-Infinity", nullptr},
                        {"1e400", nullptr},
                        {"", nullptr},
                        {"one", nullptr},
                        {"1e", nullptr},
                        {"+-1", nullptr},
                        {"0x1p3", nullptr},
                        {nullptr, nullptr}};
  for (const Case& one : cases) {
    const Converted got = to_float(one.from);
    EXPECT_EQ(got.error.empty(), !one.to.is_null()) << one.from << ": " << got.error;
    if (!got.error.empty()) continue;
    EXPECT_TRUE(got.value.is_number_float()) << one.from;
    EXPECT_EQ(got.value, one.to) << one.from;
  }
  EXPECT_EQ(to_float("one").error, "could not convert string to float: 'one'");
}

TEST(Python, Bool) {
  for (const Json& yes : {Json(true), Json(1), Json(-0.5), Json("false"), Json::array({0}), Json({{"a", 0}})})
    EXPECT_TRUE(to_bool(yes)) << yes;
  for (const Json& no : {Json(false), Json(0), Json(0.0), Json(""), Json::array(), Json::object(), Json(nullptr)})
    EXPECT_FALSE(to_bool(no)) << no;
}

TEST(Python, StrAndRepr) {
  EXPECT_EQ(str("it's"), "it's");
  EXPECT_EQ(repr("it's"), "\"it's\"");
  EXPECT_EQ(repr("a'b\"c"), "'a\\'b\"c'");
  EXPECT_EQ(repr("a\\b\n\t\x01"), "'a\\\\b\\n\\t\\x01'");
  EXPECT_EQ(str(nullptr), "None");
  EXPECT_EQ(str(true), "True");
  EXPECT_EQ(str(1.0), "1.0");
  EXPECT_EQ(str(0.1), "0.1");
  EXPECT_EQ(str(1e16), "1e+16");
  EXPECT_EQ(str(1e15), "1000000000000000.0");
  EXPECT_EQ(str(0.0001), "0.0001");
  EXPECT_EQ(str(0.00001), "1e-05");
  EXPECT_EQ(str(-2.5e-7), "-2.5e-07");
  EXPECT_EQ(str(18446744073709551615u), "18446744073709551615");
  EXPECT_EQ(str(Json::parse(R"({"a": [1, "b", null]})")), "{'a': [1, 'b', None]}");
  EXPECT_EQ(quote(std::vector<std::string>{"a", "b"}), "['a', 'b']");
}

}  // namespace
}  // namespace easel::python
