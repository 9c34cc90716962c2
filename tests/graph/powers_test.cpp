// What the engine does beyond calling one node after another: lazy inputs, expansion, blockers, undeclared and raw
// links.
#include <gmock/gmock.h>

#include "graph/execute.h"
#include "graph/graph_builder.h"
#include "support.h"

namespace easel {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Powers : public testing::Test {
 protected:
  test::Outcome run(const std::string& text) {
    ran_.clear();
    return test::run(executor_, registry_, text);
  }
  std::string shown(const std::string& text, const std::string& node = "show") {
    return run(text).result.outputs[node]["text"].dump();
  }

  std::vector<std::string> ran_;  // ids, in order
  const Registry registry_ =
      test::test_registry({.ran = [this](const auto& node, const auto&) { ran_.push_back(node); }, .fingerprint = {}});
  Executor executor_{registry_};
};

std::string choose(const char* condition) {
  return R"({"yes": {"class_type": "TestAdd", "inputs": {"a": 1, "b": 1}},
             "no": {"class_type": "TestAdd", "inputs": {"a": 2, "b": 2}},
             "c": {"class_type": "TestChoose", "inputs": {"condition": )" +
         std::string(condition) + R"(, "yes": ["yes", 0], "no": ["no", 0]}},
             "show": {"class_type": "TestShow", "inputs": {"value": ["c", 0]}}})";
}

TEST_F(Powers, OnlyTheLazyInputThatIsNeededRuns) {
  const auto outcome = run(choose("false"));
  EXPECT_THAT(ran_, ElementsAre("no", "show"));
  EXPECT_EQ(outcome.result.outputs["show"].dump(), R"({"text":["4"]})");
  // The node is begun, asks, and is begun again.
  EXPECT_THAT(outcome.journal.lines,
              ElementsAre("start", "cached", "executing c", "executing no", "executing c", "executing show",
                          "text show showing 4", R"(executed show {"text":["4"]})", "success"));
  run(choose("true"));
  EXPECT_THAT(ran_, ElementsAre("yes", "show"));
  run(choose("true"));
  EXPECT_THAT(ran_, ElementsAre());
}

TEST_F(Powers, OfAListEachMayNeedAnother) {
  Registry registry = test::test_registry();
  registry.add({.id = "Flags", .run = [] { return std::vector<Value>{Value::of(true), Value::of(false)}; }});
  Executor executor(registry);
  const auto outcome = test::run(executor, registry, R"({"flags": {"class_type": "Flags"},
      "yes": {"class_type": "TestRange", "inputs": {"first": 10, "count": 2}},
      "no": {"class_type": "TestRange", "inputs": {"first": 20, "count": 2}},
      "c": {"class_type": "TestChoose", "inputs": {"condition": ["flags", 0], "yes": ["yes", 0], "no": ["no", 0]}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["c", 0]}}})");
  EXPECT_EQ(outcome.result.outputs["show"].dump(), R"({"text":["10","21"]})");
}

TEST_F(Powers, LazyInputsThatAreConstantsAreThere) {
  EXPECT_EQ(shown(R"({"c": {"class_type": "TestChoose", "inputs": {"condition": true, "yes": "a", "no": "b"}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["c", 0]}}})"),
            R"(["a"])");
}

TEST_F(Powers, AskingForWhatIsNotThere) {
  Registry registry;
  for (const std::string& id : {std::string("Unknown"), std::string("Unlinked")})
    registry.add(
        {.id = id,
         .inputs = {socket("a", "*"), {.name = "b", .type = "*", .optional = true}},
         .run = [](const Lazy<Value>&, const Lazy<Value>&) {},
         .is_output = true,
         .needs = [id](const Lazy<Value>&,
                       const Lazy<Value>&) { return std::vector<std::string>{id == "Unknown" ? "nope" : "b"}; }});
  registry.add({.id = "One", .run = [] { return int64_t{1}; }});
  Executor executor(registry);
  const auto last = [&](const std::string& type) {
    return test::run(
               executor, registry,
               R"({"1": {"class_type": "One"}, "2": {"class_type": ")" + type + R"(", "inputs": {"a": ["1", 0]}}})")
        .journal.lines.back();
  };
  EXPECT_THAT(last("Unknown"), HasSubstr("it asks for an input 'nope' that it has not"));
  EXPECT_THAT(last("Unlinked"), HasSubstr("it asks for its input 'b', to which nothing is linked"));
}

// ---- expansion

std::string loop(int count) {
  return R"({"1": {"class_type": "TestInt", "inputs": {"value": 5}},
             "loop": {"class_type": "TestLoop", "inputs": {"value": ["1", 0], "count": )" +
         std::to_string(count) + R"(}},
             "show": {"class_type": "TestShow", "inputs": {"value": ["loop", 0]}}})";
}

TEST_F(Powers, ALoopByExpansion) {
  const auto outcome = run(loop(2));
  EXPECT_EQ(outcome.result.outputs["show"].dump(), R"({"text":["7"]})");
  EXPECT_THAT(ran_, ElementsAre("1", "loop.0.0.1", "loop.0.0.Recurse.0.0.1", "show"));
  run(loop(2));
  EXPECT_THAT(ran_, ElementsAre());
  EXPECT_EQ(shown(loop(0)), R"(["5"])");
}

TEST_F(Powers, LoopsMayBeLong) { EXPECT_EQ(shown(loop(500)), R"(["505"])"); }

TEST_F(Powers, WhoANodeIsThatAnotherOneMade) {
  const auto outcome = run(loop(2));
  std::vector<std::string> who;
  for (const NodeProgress& state : outcome.journal.states)
    if (state.state == "finished" && state.node_id != state.real_node_id)
      who.push_back(state.node_id + " on " + state.display_node_id + " by " + state.parent_node_id.value_or("?") +
                    " of " + state.real_node_id);
  EXPECT_THAT(who, ElementsAre("loop.0.0.1 on loop by loop of loop",
                               "loop.0.0.Recurse.0.0.1 on loop by loop.0.0.Recurse of loop",
                               "loop.0.0.Recurse.0.0.Recurse on loop by loop.0.0.Recurse of loop",
                               "loop.0.0.Recurse on loop by loop of loop"));
}

TEST_F(Powers, SomeOfAListExpandAndTheirOutputsShowToo) {
  const auto outcome = run(R"({"list": {"class_type": "TestRange", "inputs": {"first": 1, "count": 4}},
      "2": {"class_type": "TestDoubleOdd", "inputs": {"value": ["list", 0]}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}})");
  EXPECT_EQ(outcome.result.outputs["show"].dump(), R"({"text":["2","2","6","4"]})");
  EXPECT_EQ(outcome.result.outputs["2.2.0.1"].dump(), R"({"passed":["3"]})");
  EXPECT_EQ(outcome.result.meta["2.2.0.1"].dump(),
            R"({"node_id":"2.2.0.1","display_node":"2","parent_node":"2","real_node_id":"2"})");
  EXPECT_THAT(outcome.journal.lines, Contains(R"(executed 2.2.0.1 on 2 {"passed":["3"]})"));
}

TEST_F(Powers, WhatExpandsKeepsWhatItMadeWhereItsInputsChange) {
  const auto prompt = [](int count) {
    return R"({"list": {"class_type": "TestRange", "inputs": {"first": 1, "count": )" + std::to_string(count) + R"(}},
      "2": {"class_type": "TestDoubleOdd", "inputs": {"value": ["list", 0]}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}})";
  };
  run(prompt(2));
  EXPECT_THAT(ran_, Contains("2.0.0.2"));
  run(prompt(4));
  EXPECT_THAT(ran_, Not(Contains("2.0.0.2")));  // 1 was doubled before
  EXPECT_THAT(ran_, Contains("2.2.0.2"));
}

TEST_F(Powers, ACycleThatGrewIsTheFaultOfWhoMadeIt) {
  const auto outcome = run(R"({"1": {"class_type": "TestInt", "inputs": {"value": 5}},
      "cycle": {"class_type": "TestCycle", "inputs": {"value": ["1", 0]}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["cycle", 0]}}})");
  ASSERT_TRUE(outcome.journal.failure);
  EXPECT_EQ(outcome.journal.failure->node_id, "cycle");
  EXPECT_EQ(outcome.journal.failure->node_type, "TestCycle");
  EXPECT_EQ(outcome.journal.failure->type, "graph.DependencyCycleError");
}

TEST_F(Powers, GraphsThatCannotBe) {
  const auto message = [&](const std::string& how) {
    const auto outcome = run(R"({"bad": {"class_type": "TestExpandBadly", "inputs": {"how": ")" + how + R"("}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["bad", 0]}}})");
    EXPECT_EQ(outcome.journal.failure.value().node_id, "bad");
    return outcome.journal.lines.back();
  };
  EXPECT_THAT(message("twice"), HasSubstr("expands into a second node with the id 'bad.0.0.n'"));
  EXPECT_THAT(message("unknown"), HasSubstr("no node class 'Nope'"));
  EXPECT_THAT(message("dangling"), HasSubstr("an output of node nowhere, which there is not"));
  EXPECT_EQ(shown(loop(1)), R"(["6"])");
}

// ---- blockers

std::string blocked(const std::string& message) {
  return R"({"list": {"class_type": "TestRange", "inputs": {"first": 0, "count": 2}},
             "1": {"class_type": "TestBlock", "inputs": {"value": "x", "block": true)" +
         message + R"(}},
             "2": {"class_type": "TestPass", "inputs": {"value": ["1", 0]}},
             "3": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}},
             "show": {"class_type": "TestShow", "inputs": {"value": "y"}}})";
}

TEST_F(Powers, ABlockedNodeDoesNotRunAndThePromptGoesOn) {
  const auto outcome = run(blocked(""));
  EXPECT_THAT(ran_, ElementsAre("show"));
  EXPECT_EQ(outcome.result.status, ExecutionResult::Status::kSuccess);
  EXPECT_EQ(outcome.result.outputs.dump(), R"({"show":{"text":["y"]}})");
  EXPECT_THAT(outcome.journal.lines, Not(Contains(HasSubstr("blocked"))));
}

TEST_F(Powers, ABlockersMessageIsReportedOnce) {
  const auto outcome = run(blocked(R"(, "message": "not today")"));
  EXPECT_THAT(outcome.journal.lines, Contains("blocked 2 TestPass: not today").Times(1));
  EXPECT_EQ(outcome.journal.lines.back(), "success");
}

TEST_F(Powers, ABlockerInAListBlocksItsOwnElementOnly) {
  Registry registry = test::test_registry();
  registry.add({.id = "BlockOdd", .inputs = {integer("value")}, .outputs = {{.type = "INT"}}, .run = [](int64_t value) {
                  if (value % 2) return Returned{.slots = {}, .blocked = Blocker{}};
                  return Returned{.slots = {{Value::of(value)}}};
                }});
  Executor executor(registry);
  const auto outcome = test::run(executor, registry, R"({
      "list": {"class_type": "TestRange", "inputs": {"first": 0, "count": 4}},
      "odd": {"class_type": "BlockOdd", "inputs": {"value": ["list", 0]}},
      "more": {"class_type": "TestAdd", "inputs": {"a": ["odd", 0], "b": 10}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["more", 0]}},
      "sum": {"class_type": "TestSum", "inputs": {"numbers": ["more", 0]}},
      "never": {"class_type": "TestShow", "inputs": {"value": ["sum", 0]}}})");
  EXPECT_EQ(outcome.result.outputs.dump(), R"({"show":{"text":["10","12"]}})");
}

// ---- links of other kinds

TEST_F(Powers, UndeclaredLinksReachANodeThatTakesThem) {
  EXPECT_EQ(shown(R"({"1": {"class_type": "TestInt", "inputs": {"value": 1}},
      "2": {"class_type": "TestInt", "inputs": {"value": "2"}},
      "v": {"class_type": "TestVariadic", "inputs": {"first": 0, "second": ["1", 0], "constant": 5, "third": ["2", 0]}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["v", 0]}}})"),
            R"(["0 second=1 third=2"])");
}

TEST_F(Powers, ARawLinkIsGivenAsItIs) {
  const auto outcome = run(R"({"1": {"class_type": "TestFail", "inputs": {"value": 1, "message": "ran"}},
      "2": {"class_type": "TestRaw", "inputs": {"link": ["1", 3]}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}})");
  EXPECT_EQ(outcome.result.outputs["show"].dump(), R"({"text":["1:3"]})");
}

// ---- caches

TEST_F(Powers, WithoutACacheAResultLivesUntilItHasBeenUsed) {
  struct Counted {
    std::shared_ptr<int> alive;
  };
  const auto alive = std::make_shared<int>();
  std::vector<int64_t> seen;
  Registry registry;
  registry.add({.id = "Make", .inputs = {integer("n")}, .outputs = {{.type = "*"}}, .run = [&](int64_t) {
                  return Value::of(Counted{alive});
                }});
  registry.add({.id = "Use", .inputs = {socket("v", "*")}, .outputs = {{.type = "*"}}, .run = [&](const Value&) {
                  seen.push_back(alive.use_count() - 1);
                  return Value::of(Counted{alive});
                }});
  registry.add({.id = "End",
                .inputs = {socket("v", "*")},
                .run =
                    [&](const Value&) {
                      return Ui{{{"n", {1}}}};
                    },
                .is_output = true});
  const std::string text = R"({"1": {"class_type": "Make", "inputs": {"n": 1}},
      "2": {"class_type": "Use", "inputs": {"v": ["1", 0]}}, "3": {"class_type": "Use", "inputs": {"v": ["2", 0]}},
      "4": {"class_type": "Use", "inputs": {"v": ["3", 0]}}, "5": {"class_type": "End", "inputs": {"v": ["4", 0]}}})";
  Executor none(registry, {.cache = {.kind = CachePolicy::Kind::kNone}});
  const auto outcome = test::run(none, registry, text);
  EXPECT_THAT(seen, ElementsAre(1, 1, 1));
  EXPECT_EQ(alive.use_count(), 1);  // here
  EXPECT_EQ(outcome.result.outputs.dump(), R"({"5":{"n":[1]}})");
  EXPECT_THAT(test::run(none, registry, text).journal.lines, Contains("executing 1"));
}

// A node that only a raw link leads to, and that a graph then uses together with what uses it.
TEST_F(Powers, WithoutACacheWhatLiesBehindRawLinksIsKeptAsLong) {
  Registry registry = test::test_registry();
  registry.add({.id = "UseBoth",
                .inputs = {{.name = "link", .type = "*", .raw_link = true}},
                .outputs = {{.type = "INT"}},
                .run = [](Context& context, const Link& link) {
                  GraphBuilder graph(context.graph_prefix());
                  auto& one = graph.node("TestAdd").set("a", link).set("b", Json(1));
                  auto& two = graph.node("TestAdd").set("a", one.link(0)).set("b", link);
                  return graph.expand({graph.node("TestAdd").set("a", two.link(0)).set("b", link).out(0)});
                }});
  Executor none(registry, {.cache = {.kind = CachePolicy::Kind::kNone}});
  const auto outcome =
      test::run(none, registry, R"({"1": {"class_type": "TestLoop", "inputs": {"value": 1, "count": 1}},
      "2": {"class_type": "TestAdd", "inputs": {"a": ["1", 0], "b": 1}},
      "3": {"class_type": "UseBoth", "inputs": {"link": ["2", 0]}},
      "4": {"class_type": "UseBoth", "inputs": {"link": ["1", 0]}},
      "5": {"class_type": "TestAdd", "inputs": {"a": ["3", 0], "b": ["4", 0]}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["5", 0]}}})");
  EXPECT_EQ(outcome.journal.lines.back(), "success");
  EXPECT_EQ(outcome.result.outputs["show"].dump(), R"({"text":["17"]})");
}

TEST_F(Powers, AnyCacheGivesTheSame) {
  for (const CachePolicy policy : {CachePolicy{}, CachePolicy{CachePolicy::Kind::kLru, 2},
                                   CachePolicy{CachePolicy::Kind::kNone}, CachePolicy{.bytes = 100}}) {
    Executor executor(registry_, {.cache = policy});
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(test::run(executor, registry_, loop(20)).result.outputs["show"].dump(), R"({"text":["25"]})");
      EXPECT_EQ(test::run(executor, registry_, choose("true")).result.outputs["show"].dump(), R"({"text":["2"]})");
    }
  }
}

TEST_F(Powers, LruKeepsMoreThanTheLastPrompt) {
  Executor executor(registry_, {.cache = {CachePolicy::Kind::kLru, 100}});
  const auto run_there = [&](const std::string& text) {
    ran_.clear();
    test::run(executor, registry_, text);
  };
  run_there(choose("true"));
  run_there(loop(3));
  run_there(choose("true"));
  EXPECT_THAT(ran_, ElementsAre());
}

}  // namespace
}  // namespace easel
