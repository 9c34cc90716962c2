#include "server/job_summary.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace easel::server {
namespace {

store::Summary of(const std::string& outputs, const std::string& messages = "[]", const char* status = "success") {
  store::Result result;
  result.outputs = outputs;
  result.status =
      R"({"status_str": ")" + std::string(status) + R"(", "completed": true, "messages": )" + messages + "}";
  return summarize(result);
}
Json details(const std::string& outputs) { return Json::parse(of(outputs).details); }

TEST(JobSummary, SavedBeforeShownBeforeText) {
  const std::string text = R"("1": {"text": ["hello"]})";
  const std::string file = R"("2": {"files": [{"filename": "a.txt", "subfolder": "", "type": "output"}]})";
  const std::string temp = R"("3": {"images": [{"filename": "t.png", "subfolder": "", "type": "temp"}]})";
  const std::string saved =
      R"("4": {"images": [{"filename": "s.png", "subfolder": "x", "type": "output"}], "animated": [true]})";
  Json found = details("{" + text + "," + file + "," + temp + "," + saved + "}");
  EXPECT_EQ(found["outputs_count"], 4) << "'animated' is no output";
  EXPECT_EQ(found["preview_output"], Json::parse(R"({"filename": "s.png", "subfolder": "x", "type": "output",
    "nodeId": "4", "mediaType": "images"})"));
  EXPECT_EQ(details("{" + text + "," + file + "," + temp + "}")["preview_output"]["filename"], "t.png");
  EXPECT_EQ(details("{" + text + "," + file + "}")["preview_output"]["mediaType"], "text");
  EXPECT_EQ(details("{" + text + "}")["preview_output"],
            Json::parse(R"({"content": "hello", "nodeId": "1", "mediaType": "text"})"));
  found = details(R"({"9": {"latents": [{"filename": "a.latent", "type": "output"}], "odd": [[1]], "no": 5}})");
  EXPECT_EQ(found["outputs_count"], 2);
  EXPECT_EQ(found["previewable_outputs_count"], 0);
  EXPECT_FALSE(found.contains("preview_output"));
}

TEST(JobSummary, ALongTextIsCutAtAWholeCharacter) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "字";
  const Json preview = details(R"({"1": {"text": [")" + text + R"("]}})")["preview_output"];
  EXPECT_EQ(preview["truncated"], true);
  EXPECT_EQ(preview["content"].get<std::string>(), text.substr(0, 1023));
}

TEST(JobSummary, StatesAndTimes) {
  const std::string begun = R"(["execution_start", {"timestamp": 100}])";
  store::Summary summary = of("{}", "[" + begun + R"(, ["execution_success", {"timestamp": 250}]])");
  EXPECT_EQ(summary.state, "completed");
  EXPECT_EQ(summary.started, 100);
  EXPECT_EQ(summary.ended, 250);
  summary = of("{}", "[" + begun + R"(, ["execution_interrupted", {"timestamp": 300}]])", "error");
  EXPECT_EQ(summary.state, "cancelled");
  EXPECT_EQ(summary.ended, 300);
  summary =
      of("{}",
         R"([["execution_error", {"timestamp": 5, "node_id": "3", "exception_message": "m", "current_inputs": {}}]])",
         "error");
  EXPECT_EQ(summary.state, "failed");
  EXPECT_EQ(Json::parse(summary.details)["execution_error"],
            Json::parse(R"({"node_id": "3", "exception_message": "m", "timestamp": 5})"));
  for (const char* odd : {"null", "[]", "5", "{\"messages\": 5}", "{\"messages\": [[], [1, 2], [\"x\"]]}"}) {
    store::Result result;
    result.status = result.outputs = odd;
    EXPECT_EQ(summarize(result).state, "failed") << odd;
  }
}

TEST(JobSummary, TheWorkflowsId) {
  EXPECT_EQ(workflow_id(R"({"workflow": {"id": "abc", "nodes": []}})"), "abc");
  EXPECT_EQ(workflow_id(R"({"other": {"id": "no"}, "workflow": {"nodes": [{"id": "no"}], "id": "yes"}, "id": "no"})"),
            "yes");
  for (const char* none :
       {"", "{}", "[]", R"({"workflow": []})", R"({"workflow": {"id": 5}})", R"({"workflow": {"id": {"id": "x"}}})",
        R"({"id": "x"})", R"({"a": {"b": {"id": "x"}}})", "{\"workflow\": {"})
    EXPECT_EQ(workflow_id(none), "") << none;
}

}  // namespace
}  // namespace easel::server
