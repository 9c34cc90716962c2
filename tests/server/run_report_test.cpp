#include "server/run_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace easel::server {
namespace {

using testing::ElementsAre;

class RunReportTest : public testing::Test {
 protected:
  static store::Job job(const std::string& extra_data = R"({"client_id": "me"})") {
    return {"p", 0, R"({"1": {"class_type": "TestSleep", "inputs": {}}})", extra_data, R"(["1"])", 1};
  }
  std::vector<Json> heard() {
    std::vector<Json> all;
    while (const auto frame = hub_.next(peer_))
      if (!frame->binary) all.push_back(Json::parse(frame->bytes));
    return all;
  }
  std::vector<std::string> types() {
    std::vector<std::string> all;
    for (const Json& message : heard()) all.push_back(message["type"]);
    return all;
  }

  Hub hub_{100};
  std::shared_ptr<Hub::Peer> peer_ = hub_.connect("me", [] {});
};

TEST_F(RunReportTest, EventsReachTheClientAndTheHistory) {
  RunReport report(job(), hub_);
  heard();
  report.take(wire::ExecutionStart{"p", 1});
  report.take(wire::ExecutionCached{"p", {}, 2});
  report.take(wire::Executing{"p", "1", "1"});
  report.take(wire::Executing{"another prompt", "1", "1"});
  report.take(wire::Executed{"p", "1", "1", {{"text", {"x"}}}});
  report.take(wire::ExecutionSuccess{"p", 3});
  EXPECT_THAT(types(),
              ElementsAre("execution_start", "execution_cached", "executing", "executed", "execution_success"));
  const auto result = report.result({"p", "success", {{"1", {{"text", {"x"}}}}}, OrderedJson::object()});
  const Json status = Json::parse(result.status);
  EXPECT_EQ(status["status_str"], "success");
  EXPECT_EQ(status["completed"], true);
  ASSERT_EQ(status["messages"].size(), 3u) << "those with a time";
  EXPECT_EQ(status["messages"][0], Json::parse(R"(["execution_start", {"prompt_id": "p", "timestamp": 1}])"));
  EXPECT_EQ(Json::parse(result.outputs), Json::parse(R"({"1": {"text": ["x"]}})"));
}

TEST_F(RunReportTest, AnEndWithoutAWorkerKeepsWhatWasShown) {
  RunReport report(job(), hub_);
  const OrderedJson file{{"filename", "a_00001_.png"}, {"subfolder", "sub"}, {"type", "output"}};
  const OrderedJson preview{{"filename", "b.png"}, {"subfolder", ""}, {"type", "temp"}};
  report.take(wire::Executed{"p", "1", "1", {{"images", {file, preview}}, {"animated", {true}}}});
  report.take(wire::Executed{"p", "2", "2", nullptr});
  EXPECT_THAT(report.output_files(), ElementsAre("sub/a_00001_.png"));
  const auto result = report.failed("it died");
  EXPECT_EQ(Json::parse(result.outputs)["1"]["images"].size(), 2u);
  EXPECT_EQ(Json::parse(result.outputs).size(), 1u);
  EXPECT_EQ(Json::parse(result.meta)["1"]["display_node"], "1");
}

TEST_F(RunReportTest, TheSnapshotHoldsEveryNodeThatBegan) {
  RunReport report(job(), hub_);
  heard();
  report.take(wire::ProgressState{"p", {{.node_id = "1", .state = "running", .value = 0, .max = 1}}});
  report.take(wire::ProgressState{"p", {{.node_id = "2", .state = "running", .value = 0, .max = 1}}});
  report.take(wire::ProgressState{"p", {{.node_id = "1", .state = "finished", .value = 1, .max = 1}}});
  const auto messages = heard();
  ASSERT_EQ(messages.size(), 3u);
  const Json& nodes = messages.back()["data"]["nodes"];
  EXPECT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes["1"]["state"], "finished");
  EXPECT_EQ(nodes["2"]["state"], "running");
  EXPECT_TRUE(nodes["2"]["parent_node_id"].is_null());
}

TEST_F(RunReportTest, LargeSnapshotsAreSentLessOftenButNeverLeftOut) {
  RunReport report(job(), hub_);
  heard();
  for (int i = 0; i < 5000; ++i) {
    report.take(wire::ProgressState{"p", {{.node_id = std::to_string(i), .state = "finished", .value = 1, .max = 1}}});
    while (i < 4999 && hub_.next(peer_)) {  // unread: a parser under a sanitizer takes longer than the pause in between
    }
  }
  report.take(wire::ExecutionSuccess{"p", 3});
  Json last;
  for (const Json& message : heard())
    if (message["type"] == "progress_state") last = message;
  EXPECT_EQ(last["data"]["nodes"].size(), 5000u);
}

TEST_F(RunReportTest, ABlockersMessageIsToldAndNotKept) {
  RunReport report(job(), hub_);
  heard();
  report.take(wire::ExecutionBlocked{"p", "2", "TestShow", {"1"}, "not today"});
  const Json error = heard().back();
  EXPECT_EQ(error["type"], "execution_error");
  EXPECT_EQ(error["data"]["exception_type"], "ExecutionBlocked");
  EXPECT_EQ(error["data"]["exception_message"], "Execution Blocked: not today");
  EXPECT_FALSE(error["data"].contains("timestamp"));
  const auto result = report.result({.prompt_id = "p", .status = "success"});
  EXPECT_EQ(Json::parse(result.status)["messages"], Json::array());
}

TEST_F(RunReportTest, ADeadWorkerIsAnExecutionErrorThatSaysWhere) {
  RunReport report(job(), hub_);
  EXPECT_EQ(report.place(), "before its first node");
  report.take(wire::Executing{"p", "1", "1"});
  EXPECT_EQ(report.place(), "in node 1 (TestSleep)");
  heard();
  const auto result = report.failed("the worker was killed");
  const Json error = heard().back();
  EXPECT_EQ(error["type"], "execution_error");
  EXPECT_EQ(error["data"]["node_id"], "1");
  EXPECT_EQ(error["data"]["node_type"], "TestSleep");
  EXPECT_EQ(error["data"]["exception_message"], "the worker was killed");
  EXPECT_EQ(Json::parse(result.status)["status_str"], "error");
}

TEST_F(RunReportTest, WithoutAnOwnerAnInterruptIsEverybodysBusiness) {
  RunReport report(job("{}"), hub_);
  heard();
  report.take(wire::ExecutionStart{"p", 1});
  report.take(wire::ExecutionInterrupted{"p", "1", "TestSleep", {}, 2});
  EXPECT_THAT(types(), ElementsAre("execution_interrupted"));
}

TEST_F(RunReportTest, TheWorkflowAndThePreviewWishComeFromTheExtraData) {
  RunReport report(job(R"({"extra_pnginfo": {"workflow": {"b": 1, "a": 2}}, "preview_method": "latent2rgb"})"), hub_);
  EXPECT_EQ(OrderedJson::parse(report.extra_pnginfo()).dump(), R"({"workflow":{"b":1,"a":2}})") << "in its own order";
  EXPECT_EQ(report.preview_method(), "latent2rgb");
  EXPECT_FALSE(report.client());
}

TEST_F(RunReportTest, DamagedExtraDataCostsNothingElse) {
  RunReport report(job("{damaged"), hub_);
  EXPECT_EQ(report.extra_pnginfo(), "");
  EXPECT_FALSE(report.client());
}

}  // namespace
}  // namespace easel::server
