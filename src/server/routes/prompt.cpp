// GET and POST /prompt.
#include "graph/prompt.h"

#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "page/saved_workflow.h"
#include "server/job_summary.h"
#include "server/later_response.h"
#include "server/routes/job_json.h"
#include "server/routes/routes.h"
#include "server/uuid.h"

namespace easel::server {
namespace {

constexpr size_t kMaxId = 512;
constexpr double kLongestWait = 3600;  // seconds

Response refused(int status, const PromptError& error, OrderedJson node_errors = OrderedJson::object()) {
  return json_response(OrderedJson{{"error", to_json(error)}, {"node_errors", std::move(node_errors)}}, status);
}
Response refused(int status, const char* type, const std::string& message) {
  return refused(status, PromptError{type, message, message});
}

// What the client sends beside the prompt.
struct Wishes {
  std::string prompt_id;
  std::optional<double> number;
  bool front = false;
  std::optional<std::vector<std::string>> targets;
};

Wishes read_wishes(const Json& rest) {
  Wishes wishes;
  if (const auto id = rest.find("prompt_id"); id != rest.end() && !id->is_null())
    wishes.prompt_id = id->is_string() ? id->get<std::string>() : id->dump();
  if (wishes.prompt_id.size() > kMaxId) fail("prompt_id: at most {} bytes are taken", kMaxId);
  if (wishes.prompt_id.empty()) wishes.prompt_id = make_uuid();

  if (const auto number = rest.find("number"); number != rest.end()) {
    if (!number->is_number() || !std::isfinite(number->get<double>()))
      fail("number: a number was wanted, {} came", number->dump());
    wishes.number = number->get<double>();
  } else if (const auto front = rest.find("front"); front != rest.end()) {
    wishes.front = *front == true;
  }
  if (const auto targets = rest.find("partial_execution_targets"); targets != rest.end() && !targets->is_null()) {
    if (!targets->is_array()) fail("partial_execution_targets: a list of node ids was wanted");
    wishes.targets.emplace();
    for (const Json& id : *targets) wishes.targets->push_back(id.is_string() ? id.get<std::string>() : id.dump());
  }
  return wishes;
}

// extra_data as it is kept: with client_id, without the keys that are nobody else's business. The page's workflow
// passes through as the text it came in.
std::string extra_data_text(const PromptBody& body) {
  Json extra = body.rest.value("extra_data", Json::object());
  if (!extra.is_object()) fail("extra_data: an object was wanted, {} came", extra.type_name());
  if (const auto client = body.rest.find("client_id"); client != body.rest.end()) extra["client_id"] = *client;
  for (const char* secret : {"auth_token_comfy_org", "api_key_comfy_org"}) extra.erase(secret);
  std::string text = extra.dump();
  if (!body.extra_pnginfo.empty())
    text.insert(1, "\"extra_pnginfo\": " + body.extra_pnginfo + (extra.empty() ? "" : ", "));
  return text;
}

// A workflow as the page saves it, in place of the prompt or of the whole body: becomes the prompt, and goes into the
// pictures as the page's own would.
void take_saved_workflow(PromptBody& body, const Catalog& catalog) {
  const auto prompt = body.rest.find("prompt");
  const bool inside = prompt != body.rest.end() && page::is_saved_workflow(*prompt);
  if (!inside && !page::is_saved_workflow(body.rest)) return;
  const Json& workflow = inside ? *prompt : body.rest;
  body.prompt = page::convert_workflow(workflow, catalog.registry(), {.choices = catalog.files().choices});
  if (body.extra_pnginfo.empty()) body.extra_pnginfo = "{\"workflow\": " + workflow.dump() + "}";
}

// ?wait=SECONDS; nothing when it is not asked for. Throws Error.
std::optional<double> wait_argument(const Request& request) {
  const auto text = request.argument("wait");
  if (!text) return std::nullopt;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (error != std::errc() || end != text->data() + text->size() || !(seconds >= 0) || seconds > kLongestWait)
    fail("wait: seconds from 0 to {} were wanted", kLongestWait);
  return seconds;
}

// What has become of a prompt: 200 with its outputs once it has ended, 202 until then. `accepted`: the members that
// POST /prompt answers with anyway.
Response outcome(const std::string& accepted, const std::string& prompt_id, store::Store& store) {
  const auto line = store.job_line(prompt_id);
  const auto entry = store.find_history(prompt_id);
  const bool waits = line && !entry;
  return json_text(fmt::format(R"({{{}, "status": "{}", "outputs": {}{}}})", accepted, line ? line->state : "cancelled",
                               entry ? entry->result.outputs : "{}",
                               entry ? R"(, "execution_status": )" + entry->result.status : ""),
                   waits ? 202 : 200);
}

Response answer_at_the_end(const std::string& accepted, const std::string& prompt_id, double seconds,
                           Services& services) {
  LaterResponse later;
  const auto deadline = Waiters::Clock::now() +
                        std::chrono::duration_cast<Waiters::Clock::duration>(std::chrono::duration<double>(seconds));
  const auto tell = [later, accepted, prompt_id, &store = services.store]() mutable {
    try {
      later.put(outcome(accepted, prompt_id, store));
    } catch (const std::exception& error) {
      log::error("{}", error.what());
      later.put(text_response(500, "500: Internal Server Error"));
    }
  };
  if (!services.waiters.wait(prompt_id, deadline, tell)) return outcome(accepted, prompt_id, services.store);
  if (services.store.find_history(prompt_id)) services.waiters.ended(prompt_id);  // it was quicker
  return later.promise();
}

Response post_prompt(const Request& request, Services& services) {
  PromptBody body;
  std::optional<double> wait;
  Wishes wishes;
  std::string extra_data;
  try {
    body = parse_prompt_body(request.body);
    take_saved_workflow(body, services.catalog);
    wishes = read_wishes(body.rest);
    extra_data = extra_data_text(body);
    wait = wait_argument(request);
  } catch (const Error& error) {
    return refused(400, "invalid_prompt", error.what());
  }
  if (!body.prompt) return refused(400, "no_prompt", "No prompt provided");
  if (services.store.remaining() >= services.max_waiting) {
    Response full = refused(429, "queue_full", fmt::format("{} prompts wait already", services.store.remaining()));
    full.set("Retry-After", "10");
    return full;
  }

  ValidationResult checked;
  try {
    checked = validate(*body.prompt, services.catalog.registry(), services.catalog.files(), wishes.targets,
                       [&services](const auto& questions) { return services.runner.check(questions); });
  } catch (const Error& error) {
    return refused(503, "worker_unavailable", error.what());
  }
  if (!checked.ok) {
    log::warn("invalid prompt: {}: {}", checked.error.message, checked.error.details);
    return refused(400, checked.error, std::move(checked.node_errors));
  }
  const store::Submission submission{.prompt_id = wishes.prompt_id,
                                     .number = wishes.number,
                                     .front = wishes.front,
                                     .prompt = prompt_to_json(*body.prompt),
                                     .extra_data = std::move(extra_data),
                                     .outputs = Json(checked.outputs_to_execute).dump(),
                                     .created = now_ms(),
                                     .workflow_id = workflow_id(body.extra_pnginfo),
                                     .owner = request.caller.user};
  store::Store::Accepted accepted;
  try {
    accepted = services.store.accept(submission);
  } catch (const Error& error) {
    log::error("a prompt was refused: {}", error.what());
    Response unavailable = refused(503, "store_unavailable", "The queue cannot be written: perhaps the disk is full");
    unavailable.set("Retry-After", "10");
    return unavailable;
  }
  if (accepted.what == store::Acceptance::refused)
    return refused(409, "duplicate_prompt_id",
                   fmt::format("Another prompt with the id '{}' waits or runs already", wishes.prompt_id));
  if (accepted.what == store::Acceptance::queued) {
    log::info("got prompt");
    services.hub.send_status();
    services.runner.wake();
  }
  const std::string answer =
      fmt::format(R"("prompt_id": {}, "number": {}, "node_errors": {})", quote_json(wishes.prompt_id),
                  number_text(accepted.number), checked.node_errors.dump());
  if (wait) return answer_at_the_end(answer, wishes.prompt_id, *wait, services);
  return json_text("{" + answer + "}");
}

}  // namespace

void add_prompt_routes(Router& router, Services& services) {
  using namespace schema;
  const Schema body = object({{"prompt*", ref("Prompt")},
                              {"client_id", text()},
                              {"prompt_id", text()},
                              {"extra_data", any()},
                              {"number", number()},
                              {"front", boolean()},
                              {"partial_execution_targets", list(text())}});
  const Schema accepted = object({{"prompt_id*", text()},
                                  {"number*", number()},
                                  {"node_errors*", map(ref("NodeErrors"))},
                                  {"status", text()},
                                  {"outputs", ref("Outputs")},
                                  {"execution_status", ref("RunStatus")}});
  router.get(
      "/prompt",
      [&services](const Request&) {
        return json_text(fmt::format(R"({{"exec_info": {{"queue_remaining": {}}}}})", services.store.remaining()));
      },
      {.about = "How many prompts wait or run",
       .answer = object({{"exec_info*", object({{"queue_remaining*", integer()}})}})});
  router.post("/prompt", [&services](const Request& request) { return post_prompt(request, services); },
              {.about = "Queue a prompt, or a workflow as the page saves it; the same prompt_id twice is one prompt",
               .query = {{"wait", number(), "answer when it has ended, or after so many seconds with 202"}},
               .body = body,
               .answer = accepted,
               .also = {{202, "It had not ended when the wait was over"},
                        {400, "The prompt is wrong (PromptError)"},
                        {409, "Another prompt of this id waits or runs"},
                        {429, "The queue is full"},
                        {503, "The queue cannot be written"}}});
}

}  // namespace easel::server
