// GET and POST /prompt.
#include "graph/prompt.h"

#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "page/saved_workflow.h"
#include "server/routes/job_json.h"
#include "server/routes/routes.h"
#include "server/uuid.h"

namespace easel::server {
namespace {

constexpr size_t kMaxId = 512;

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

Response post_prompt(const Request& request, Services& services) {
  PromptBody body;
  Wishes wishes;
  std::string extra_data;
  try {
    body = parse_prompt_body(request.body);
    take_saved_workflow(body, services.catalog);
    wishes = read_wishes(body.rest);
    extra_data = extra_data_text(body);
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
  return json_text(fmt::format(R"({{"prompt_id": {}, "number": {}, "node_errors": {}}})", quote_json(wishes.prompt_id),
                               number_text(accepted.number), checked.node_errors.dump()));
}

}  // namespace

void add_prompt_routes(Router& router, Services& services) {
  router.get("/prompt", [&services](const Request&) {
    return json_text(fmt::format(R"({{"exec_info": {{"queue_remaining": {}}}}})", services.store.remaining()));
  });
  router.post("/prompt", [&services](const Request& request) { return post_prompt(request, services); });
}

}  // namespace easel::server
