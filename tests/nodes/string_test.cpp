// String nodes: expectations are what CPython 3.11 gives.
#include <gtest/gtest.h>

#include "nodes/python_regex.h"
#include "nodes/studio.h"

namespace easel {
namespace {

Value s(const char* text) { return Value::of(std::string(text)); }
Value i(int64_t number) { return Value::of(number); }
Value b(bool flag) { return Value::of(flag); }

class Strings : public ::testing::Test {
 protected:
  std::string run(const std::string& id, const std::vector<Value>& arguments) {
    return studio.run_for<std::string>(id, arguments);
  }
  Studio studio;
};

TEST_F(Strings, Substring) {
  EXPECT_EQ(run("StringSubstring", {s("hello"), i(1), i(3)}), "el");
  EXPECT_EQ(run("StringSubstring", {s("hello"), i(-3), i(-1)}), "ll");
  EXPECT_EQ(run("StringSubstring", {s("hello"), i(3), i(1)}), "");
  EXPECT_EQ(run("StringSubstring", {s("a😀é日"), i(1), i(3)}), "😀é");
  EXPECT_EQ(run("StringSubstring", {s("abc"), i(-100), i(100)}), "abc");
}

TEST_F(Strings, Length) {
  EXPECT_EQ(studio.run_for<int64_t>("StringLength", {s("a😀é")}), 3);
  EXPECT_EQ(studio.run_for<int64_t>("StringLength", {s("")}), 0);
}

TEST_F(Strings, Case) {
  EXPECT_EQ(run("CaseConverter", {s("straße ǆ"), s("UPPERCASE")}), "STRASSE Ǆ");
  EXPECT_EQ(run("CaseConverter", {s("ÀB"), s("lowercase")}), "àb");
  EXPECT_EQ(run("CaseConverter", {s("hELLO wORLD"), s("Capitalize")}), "Hello world");
  EXPECT_EQ(run("CaseConverter", {s("they're bill's 3rd ones"), s("Title Case")}), "They'Re Bill'S 3Rd Ones");
  EXPECT_EQ(run("CaseConverter", {s(""), s("Capitalize")}), "");
}

TEST_F(Strings, TrimAndReplace) {
  EXPECT_EQ(run("StringTrim", {s("\u3000 a b\t\n"), s("Both")}), "a b");
  EXPECT_EQ(run("StringTrim", {s("  a "), s("Left")}), "a ");
  EXPECT_EQ(run("StringTrim", {s("  a "), s("Right")}), "  a");
  EXPECT_EQ(run("StringTrim", {s(" \n "), s("Both")}), "");
  EXPECT_EQ(run("StringReplace", {s("banana"), s("ana"), s("X")}), "bXna");
  EXPECT_EQ(run("StringReplace", {s("aé"), s(""), s("-")}), "-a-é-");
}

TEST_F(Strings, Tests) {
  EXPECT_TRUE(studio.run_for<bool>("StringContains", {s("Hello"), s("ELL"), b(false)}));
  EXPECT_FALSE(studio.run_for<bool>("StringContains", {s("Hello"), s("ELL"), b(true)}));
  EXPECT_TRUE(studio.run_for<bool>("StringCompare", {s("Hello"), s("he"), s("Starts With"), b(false)}));
  EXPECT_TRUE(studio.run_for<bool>("StringCompare", {s("Hello"), s("lo"), s("Ends With"), b(true)}));
  EXPECT_FALSE(studio.run_for<bool>("StringCompare", {s("Hello"), s("hello"), s("Equal"), b(true)}));
}

TEST_F(Strings, RegexMatch) {
  auto matches = [&](const char* text, const char* pattern, bool ignore_case = true) {
    return studio.run_for<bool>("RegexMatch", {s(text), s(pattern), b(ignore_case), b(false), b(false)});
  };
  EXPECT_TRUE(matches("foo BAR", "bar$"));
  EXPECT_FALSE(matches("foo BAR", "bar$", false));
  EXPECT_FALSE(matches("x", "("));
  EXPECT_TRUE(matches("a{b", "a{b"));      // no repeat: a plain brace
  EXPECT_TRUE(matches("aaa", "^a{,3}$"));  // from none
  EXPECT_TRUE(matches("[", "[[]"));        // no nested set
  EXPECT_TRUE(matches("&", "[a&&b]"));
  EXPECT_TRUE(matches("x\n", "x$"));  // before the last newline
  EXPECT_FALSE(matches("x\n", "x\\Z"));
  EXPECT_FALSE(matches("x", "\\p{L}"));  // no Python escape
  EXPECT_TRUE(matches("abab", "(?P<two_letters>ab)(?P=two_letters)"));
}

TEST_F(Strings, RegexExtract) {
  auto extract = [&](const char* text, const char* pattern, const char* mode, int64_t group = 1) {
    return run("RegexExtract", {s(text), s(pattern), s(mode), b(true), b(false), b(false), i(group)});
  };
  EXPECT_EQ(extract("a1 b2", "[a-z]\\d", "First Match"), "a1");
  EXPECT_EQ(extract("a1 b2", "[a-z]\\d", "All Matches"), "a1\nb2");
  EXPECT_EQ(extract("a1 b2", "([a-z])(\\d)", "All Matches"), "a\nb");
  EXPECT_EQ(extract("a1 b2", "([a-z])(\\d)", "First Group", 2), "1");
  EXPECT_EQ(extract("a1 b2", "([a-z])(\\d)", "All Groups", 2), "1\n2");
  EXPECT_EQ(extract("a1", "([a-z])", "First Group", 2), "");
  EXPECT_EQ(extract("a1", "x", "All Matches"), "");
  EXPECT_EQ(extract("a1", "(", "First Match"), "");
}

TEST_F(Strings, RegexReplace) {
  auto replace = [&](const char* text, const char* pattern, const char* with, int64_t count = 0) {
    return run("RegexReplace", {s(text), s(pattern), s(with), b(true), b(false), b(false), i(count)});
  };
  EXPECT_EQ(replace("John Smith", "(\\w+) (\\w+)", "\\2, \\1"), "Smith, John");
  EXPECT_EQ(replace("x=1", "(?P<my_key>\\w)=(\\d)", "\\g<my_key>:\\g<2>"), "x:1");
  EXPECT_EQ(replace("aaa", "a", "b", 2), "bba");
  EXPECT_EQ(replace("abc", "", "-"), "-a-b-c-");
  EXPECT_EQ(replace("a$b", "\\$", "$1\\n"), "a$1\nb");
  EXPECT_EQ(replace("ab", "(x)?a", "[\\1]"), "[]b");
  EXPECT_THROW(replace("abc", "(", "x"), Error);
  EXPECT_THROW(replace("abc", "a", "\\1"), Error);
}

TEST_F(Strings, CatastrophicPatternsEnd) {
  const std::string text(64, 'a');
  EXPECT_THROW(PythonRegex("(a+)+$", {}).find(text + "b"), Error);
}

TEST_F(Strings, PreviewAny) {
  auto text = [&](Value value) { return studio.run("PreviewAny", {value}).ui.at("text").at(0).get<std::string>(); };
  EXPECT_EQ(text(s("plain")), "plain");
  EXPECT_EQ(text(i(7)), "7");
  EXPECT_EQ(text(Value::of(1.0)), "1.0");
  EXPECT_EQ(text(Value::of(1e-5)), "1e-05");
  EXPECT_EQ(text(Value::of(1e16)), "1e+16");
  EXPECT_EQ(text(Value::of(0.1)), "0.1");
  EXPECT_EQ(text(b(true)), "True");
}

}  // namespace
}  // namespace easel
