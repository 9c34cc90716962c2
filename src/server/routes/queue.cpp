// GET and POST /queue, POST /interrupt, POST /free.
#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "server/routes/job_json.h"
#include "server/routes/routes.h"

namespace easel::server {
namespace {

std::string join_items(const std::vector<store::Job>& jobs, const Caller& caller) {
  std::string text;
  for (const store::Job& job : jobs)
    if (caller.may_see(job.owner)) (text += text.empty() ? "" : ", ") += queue_item(job);
  return text;
}

Response get_queue(const Request& request, Services& services) {
  const store::Queue queue = services.store.queue();
  return json_text("{\"queue_running\": [" + join_items(queue.running, request.caller) + "], \"queue_pending\": [" +
                   join_items(queue.pending, request.caller) + "]}");
}

Response post_queue(const Request& request, Services& services) {
  const Json body = request.json();
  if (!body.is_object()) throw HttpError(400, "an object was wanted");
  const auto ids = ids_to_delete(body);
  if (body.value("clear", Json()) == true) services.store.clear_pending(owner_of(request));
  if (!ids.empty()) services.store.delete_pending(ids, owner_of(request));
  for (const std::string& id : services.waiters.prompt_ids())
    if (!services.store.job_line(id)) services.waiters.ended(id);
  services.hub.send_status();
  return empty_response();
}

// Never an error: the page sends an empty body.
Response post_interrupt(const Request& request, Services& services) {
  std::optional<std::string> prompt_id;
  try {
    const Json body = request.json();
    if (body.is_object())
      if (const auto id = body.find("prompt_id"); id != body.end() && id->is_string()) prompt_id = *id;
  } catch (const HttpError&) {
  }
  if (!request.caller.sees_all) {  // one's own prompt alone
    const store::Queue queue = services.store.queue();
    const auto own = std::ranges::find_if(queue.running, [&](const store::Job& job) {
      return request.caller.may_see(job.owner) && (!prompt_id || *prompt_id == job.prompt_id);
    });
    if (own == queue.running.end()) return empty_response();
    prompt_id = own->prompt_id;
  }
  services.runner.interrupt(prompt_id);
  return empty_response();
}

Response post_free(const Request& request, Services& services) {
  const Json body = request.json();
  if (!body.is_object()) throw HttpError(400, "an object was wanted");
  const bool free_memory = body.value("free_memory", Json()) == true;
  const auto unload = body.find("unload_models");
  services.runner.free(unload == body.end() ? free_memory : *unload == true, free_memory);
  return empty_response();
}

}  // namespace

void add_queue_routes(Router& router, Services& services) {
  using namespace schema;
  router.get(
      "/queue", [&services](const Request& request) { return get_queue(request, services); },
      {.about = "Prompts that run and wait, in their order",
       .answer = object({{"queue_running*", list(ref("QueueItem"))}, {"queue_pending*", list(ref("QueueItem"))}})});
  router.post("/queue", [&services](const Request& request) { return post_queue(request, services); },
              {.about = "Take prompts that wait out of the queue",
               .body = object({{"clear", boolean()}, {"delete", list(text())}})});
  router.post("/interrupt", [&services](const Request& request) { return post_interrupt(request, services); },
              {.about = "Interrupt the prompt that runs, or that one only", .body = object({{"prompt_id", text()}})});
  router.post("/free", [&services](const Request& request) { return post_free(request, services); },
              {.about = "Give memory back when no prompt runs",
               .body = object({{"unload_models", boolean()}, {"free_memory", boolean()}})});
}

}  // namespace easel::server
