// GET and POST /history.
#include <charconv>

#include "base/error.h"
#include "server/routes/job_json.h"
#include "server/routes/routes.h"

namespace easel::server {
namespace {

// ComfyUI answers 500 for what is no integer; here it is a 400.
std::optional<int64_t> integer_argument(const Request& request, const char* name) {
  const auto text = request.argument(name);
  if (!text) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size())
    throw HttpError(400, fmt::format("{}: an integer was wanted", name));
  return value;
}

Response get_history(const Request& request, Services& services) {
  const auto most = integer_argument(request, "max_items"), offset = integer_argument(request, "offset");
  if (most && *most < 0) return json_text("{}");
  const auto entries = services.store.history(most, offset, owner_of(request));
  std::string text = "{";
  for (const store::HistoryEntry& entry : entries) (text += text.size() > 1 ? ", " : "") += history_item(entry);
  return json_text(text + "}");
}

Response post_history(const Request& request, Services& services) {
  const Json body = request.json();
  if (!body.is_object()) throw HttpError(400, "an object was wanted");
  const auto ids = ids_to_delete(body);
  if (body.value("clear", Json()) == true) services.store.clear_history(owner_of(request));
  if (!ids.empty()) services.store.delete_history(ids, owner_of(request));
  return empty_response();
}

}  // namespace

void add_history_routes(Router& router, Services& services) {
  using namespace schema;
  router.get("/history", [&services](const Request& request) { return get_history(request, services); },
             {.about = "Prompts that have ended, in the order in which they did",
              .query = {{"max_items", integer(), "the newest so many; with offset, the first so many from there"},
                        {"offset", integer(), "counted from the oldest"}},
              .answer = map(ref("HistoryEntry")),
              .also = {{400, "An argument is no integer"}}});
  router.get(
      "/history/{prompt_id*}",
      [&services](const Request& request) {
        const auto entry = services.store.find_history(request.params[0]);
        return json_text(entry && request.caller.may_see(entry->job.owner) ? "{" + history_item(*entry) + "}" : "{}");
      },
      {.about = "The entry of one prompt; {} while it has not ended", .answer = map(ref("HistoryEntry"))});
  router.post("/history", [&services](const Request& request) { return post_history(request, services); },
              {.about = "Forget entries", .body = object({{"clear", boolean()}, {"delete", list(text())}})});
}

}  // namespace easel::server
