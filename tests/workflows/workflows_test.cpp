// Runs every x.json beside this file (an API prompt) and compares what happened with x.expect, line by line. A prompt
// may be run several times over one cache: a line "> x.json" in the expectation starts a run of that file.
#include <filesystem>

#include "graph/support.h"

namespace easel {
namespace {

std::filesystem::path folder() {
  const char* source = std::getenv("EASEL_SOURCE_DIR");
  return std::filesystem::path(source ? source : ".") / "tests/workflows";
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string describe_run(Executor& executor, const Registry& registry, const std::string& prompt) {
  const test::Outcome outcome = test::run(executor, registry, prompt);
  std::string text;
  if (!outcome.validation.ok) text += "refused " + outcome.validation.error.type + "\n";
  for (const auto& [node, entry] : outcome.validation.node_errors.items())
    for (const OrderedJson& error : entry["errors"])
      text += "invalid " + node + " " + error["type"].get<std::string>() + ": " + error["details"].get<std::string>() +
              "\n";
  for (const std::string& line : outcome.journal.lines) text += line + "\n";
  return text;
}

class Workflow : public testing::TestWithParam<std::string> {};

TEST_P(Workflow, GoesAsExpected) {
  const std::string expected = read(folder() / GetParam());
  const Registry registry = test::test_registry();
  Executor executor(registry);
  std::string happened;
  std::istringstream lines(expected);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("> "))
      happened += line + "\n" + describe_run(executor, registry, read(folder() / line.substr(2)));
  EXPECT_EQ(happened, expected);
  EXPECT_NE(happened, "") << "no line begins with '> '";
}

std::vector<std::string> expectations() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder()))
    if (entry.path().extension() == ".expect") names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, Workflow, testing::ValuesIn(expectations()),
                         [](const auto& info) { return std::filesystem::path(info.param).stem().string(); });

}  // namespace
}  // namespace easel
