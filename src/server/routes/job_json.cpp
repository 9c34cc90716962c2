#include "server/routes/job_json.h"

#include <cmath>

#include "base/error.h"

namespace easel::server {

std::string number_text(double number) {
  constexpr double kExact = 9007199254740992;  // 2^53
  if (number == std::floor(number) && std::abs(number) < kExact) return fmt::format("{}", static_cast<int64_t>(number));
  return Json(number).dump();
}

std::string queue_item(const store::Job& job) {
  return fmt::format("[{}, {}, {}, {}, {}]", number_text(job.number), quote_json(job.prompt_id), job.prompt,
                     job.extra_data, job.outputs);
}

std::string history_item(const store::HistoryEntry& entry) {
  return fmt::format(R"({}: {{"prompt": {}, "outputs": {}, "status": {}, "meta": {}}})",
                     quote_json(entry.job.prompt_id), queue_item(entry.job), entry.result.outputs, entry.result.status,
                     entry.result.meta);
}

store::Owner owner_of(const Request& request) {
  return request.caller.sees_all ? store::Owner() : store::Owner(request.caller.user);
}

std::vector<std::string> ids_to_delete(const Json& body) {
  std::vector<std::string> ids;
  const auto list = body.find("delete");
  if (list == body.end()) return ids;
  if (!list->is_array()) throw HttpError(400, "delete: a list of prompt ids was wanted");
  for (const Json& id : *list) {
    if (!id.is_string()) throw HttpError(400, "delete: a list of prompt ids was wanted");
    ids.push_back(id);
  }
  return ids;
}

}  // namespace easel::server
