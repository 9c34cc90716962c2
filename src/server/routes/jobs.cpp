// /api/jobs: queue and history as one list of jobs, as newer pages ask for it (reference/ecosystem.md §1.5).
#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

#include "base/error.h"
#include "server/routes/job_json.h"
#include "server/routes/routes.h"

namespace easel::server {
namespace {

constexpr std::array kStates{"pending", "in_progress", "completed", "failed", "cancelled"};
constexpr int64_t kDefaultLimit = 200, kMostJobs = 1000;

Response refusal(int status, const std::string& error) { return json_response(OrderedJson{{"error", error}}, status); }

// Null members are left out: the page is strict about them.
OrderedJson entry(const store::JobLine& line) {
  OrderedJson job{{"id", line.prompt_id}, {"status", line.state}, {"priority", line.number}};
  job["create_time"] = line.created;
  if (line.started) job["execution_start_time"] = line.started;
  if (line.ended) job["execution_end_time"] = line.ended;
  const OrderedJson details = OrderedJson::parse(line.details, nullptr, false);
  if (details.is_object()) job.update(details);
  if (!line.workflow_id.empty()) job["workflow_id"] = line.workflow_id;
  return job;
}

std::optional<int64_t> number_argument(const Request& request, const char* name, int64_t least) {
  const auto text = request.argument(name);
  if (!text) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value < least)
    fail("{}: an integer of at least {} was wanted", name, least);
  return value;
}

std::vector<std::string> states_argument(const Request& request) {
  std::vector<std::string> states;
  std::string rest = request.argument("status").value_or("");
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string state = rest.substr(0, comma);
    rest.erase(0, comma + 1);
    if (std::ranges::find(kStates, state) == kStates.end())
      fail("status: '{}' is none of pending, in_progress, completed, failed, cancelled", state);
    if (std::ranges::find(states, state) == states.end()) states.push_back(state);
  }
  return states;
}

// One of two words; whether it is the first.
bool is_first(const Request& request, const char* name, const char* first, const char* second, bool otherwise) {
  const auto word = request.argument(name);
  if (!word || word->empty()) return otherwise;
  if (*word != first && *word != second) fail("{}: '{}' is neither {} nor {}", name, *word, first, second);
  return *word == first;
}

Response list_jobs(const Request& request, Services& services) {
  store::JobFilter filter;
  try {
    filter.states = states_argument(request);
    filter.workflow_id = request.argument("workflow_id").value_or("");
    filter.by_duration = is_first(request, "sort_by", "execution_duration", "created_at", false);
    filter.ascending = is_first(request, "sort_order", "asc", "desc", false);
    filter.limit = std::min(number_argument(request, "limit", 1).value_or(kDefaultLimit), kMostJobs);
    filter.offset = number_argument(request, "offset", 0).value_or(0);
    filter.owner = owner_of(request);
  } catch (const Error& error) {
    return refusal(400, error.what());
  }
  const store::JobPage page = services.store.jobs(filter);
  OrderedJson jobs = OrderedJson::array();
  for (const store::JobLine& line : page.jobs) jobs.push_back(entry(line));
  const auto shown = static_cast<int64_t>(page.jobs.size());
  return json_response(OrderedJson{{"jobs", std::move(jobs)},
                                   {"pagination",
                                    {{"offset", filter.offset},
                                     {"limit", filter.limit},
                                     {"total", page.total},
                                     {"has_more", filter.offset + shown < page.total}}}});
}

// The entry with what is long: outputs, status, the prompt. Joined as text.
std::string with_texts(const store::JobLine& line, const store::Job& job, const store::Result* result) {
  std::string text = entry(line).dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  text.pop_back();
  return text + fmt::format(R"(, "outputs": {}, {}"workflow": {{"prompt": {}, "extra_data": {}}}}})",
                            result ? result->outputs : "{}",
                            result ? fmt::format(R"("execution_status": {}, )", result->status) : "", job.prompt,
                            job.extra_data);
}

Response one_job(const Request& request, Services& services) {
  const std::string& id = request.params[0];
  const auto line = services.store.job_line(id);
  if (!line || !request.caller.may_see(line->owner)) return refusal(404, "Job not found");
  if (const auto queued = services.store.find_queued(id)) return json_text(with_texts(*line, queued->job, nullptr));
  if (const auto ended = services.store.find_history(id)) {  // perhaps since the line was read
    const auto last = services.store.job_line(id);
    return json_text(with_texts(last ? *last : *line, ended->job, &ended->result));
  }
  return refusal(404, "Job not found");
}

// Takes it out of the queue, or interrupts it if it runs. False for one that has ended, was never here or is another
// user's.
bool cancel(const std::string& id, const Request& request, Services& services) {
  const auto line = services.store.job_line(id);
  if (!line || !request.caller.may_see(line->owner)) return false;
  // Between the queue and the runner a job is in neither's hands for a moment: so it is asked for again.
  for (int attempt = 0; attempt < 20; ++attempt) {
    if (services.store.delete_pending({id}) > 0) {
      services.hub.send_status();
      services.waiters.ended(id);
      return true;
    }
    if (services.runner.interrupt(id)) return true;
    if (!services.store.find_queued(id)) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

bool is_uuid(const std::string& id) {
  constexpr std::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  return std::ranges::equal(id, kShape, [](char c, char shape) {
    return shape == '-' ? c == '-' : std::isxdigit(static_cast<unsigned char>(c)) != 0;
  });
}

Response cancel_many(const Request& request, Services& services) {
  const Json body = request.json();
  const auto list = body.is_object() ? body.find("job_ids") : body.end();
  if (!body.is_object() || list == body.end() || !list->is_array() || list->empty())
    return refusal(400, "job_ids: a list of job ids was wanted");
  OrderedJson invalid = OrderedJson::array();
  std::vector<std::string> ids;
  for (const Json& id : *list) {
    // Clients may have chosen ids of their own; what is neither known nor a UUID is a mistake.
    if (id.is_string() && (is_uuid(id) || services.store.job_line(id)))
      ids.push_back(id);
    else
      invalid.push_back(OrderedJson::parse(id.dump()));
  }
  if (!invalid.empty())
    return json_response(OrderedJson{{"error", "job_ids: some are no ids of jobs"}, {"invalid_ids", invalid}}, 400);
  bool any = false;
  for (const std::string& id : ids) any = cancel(id, request, services) || any;
  return json_response(OrderedJson{{"cancelled", any}});
}

}  // namespace

void add_job_routes(Router& router, Services& services) {
  using namespace schema;
  const Schema cancelled = object({{"cancelled*", boolean()}});
  const Schema page = object(
      {{"jobs*", list(ref("Job"))},
       {"pagination*",
        object({{"offset*", integer()}, {"limit*", integer()}, {"total*", integer()}, {"has_more*", boolean()}})}});
  const auto add = [&](const char* method, const char* pattern, auto handler, RouteDoc doc) {
    router.add(
        method, pattern, [&services, handler](const Request& request) { return handler(request, services); },
        std::move(doc), Under::kApiAlone);
  };
  add("GET", "/jobs", list_jobs,
      {.about = "Jobs that wait, run or have ended, the newest first",
       .query = {{"status", text(), "any of pending, in_progress, completed, failed, cancelled, with commas"},
                 {"workflow_id", text(), "only those of this workflow"},
                 {"sort_by", one_of({"created_at", "execution_duration"}), ""},
                 {"sort_order", one_of({"asc", "desc"}), ""},
                 {"limit", integer(), "at most 1000"},
                 {"offset", integer(), ""}},
       .answer = page,
       .also = {{400, "An argument is wrong"}}});
  add("POST", "/jobs/cancel", cancel_many,
      {.about = "Cancel several jobs",
       .body = object({{"job_ids*", list(text())}}),
       .answer = cancelled,
       .also = {{400, "Some are no ids of jobs"}}});
  add("POST", "/jobs/{id*}/cancel",
      [](const Request& request, Services& all) {
        return json_response(OrderedJson{{"cancelled", cancel(request.params[0], request, all)}});
      },
      {.about = "Cancel one job, waiting or running", .answer = cancelled});
  add("GET", "/jobs/{id*}", one_job,
      {.about = "One job with its outputs and its prompt", .answer = ref("Job"), .also = {{404, "No such job"}}});
}

}  // namespace easel::server
