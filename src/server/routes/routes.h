// The groups of routes, one file each. They share the parts that app/ has built.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "folders/folders.h"
#include "server/auth.h"
#include "server/catalog.h"
#include "server/hub.h"
#include "server/log_ring.h"
#include "server/packs.h"
#include "server/router.h"
#include "server/runner.h"
#include "server/tally.h"
#include "server/users.h"
#include "server/waiters.h"
#include "store/store.h"

namespace easel::server {

struct Services {
  const Folders& folders;
  store::Store& store;
  Hub& hub;
  Runner& runner;
  Catalog& catalog;
  Users& users;
  LogRing& logs;
  Waiters& waiters;
  Tally& tally;
  const Packs& packs;

  std::filesystem::path frontend;  // the web root; empty: no page is installed
  std::string frontend_version;
  std::vector<std::filesystem::path> templates, docs;  // folders of /templates and /docs; the first that has it serves
  std::vector<std::string> arguments;                  // argv, for /system_stats
  const Auth* auth = nullptr;                          // of --auth-token-file
  bool tls = false;                                    // whether we speak TLS ourselves
  uint64_t max_upload_size = 0;
  size_t max_waiting = 10'000;  // prompts in the queue; then 429
};

void add_prompt_routes(Router& router, Services& services);
void add_queue_routes(Router& router, Services& services);
void add_job_routes(Router& router, Services& services);
void add_history_routes(Router& router, Services& services);
void add_node_routes(Router& router, Services& services);
void add_model_routes(Router& router, Services& services);
void add_system_routes(Router& router, Services& services);
void add_pack_routes(Router& router, Services& services);
void add_health_routes(Router& router, Services& services);
bool is_healthy(const WorkerFacts& worker);  // whether no restart of the server is needed
void add_api_docs_routes(Router& router);
void add_upload_routes(Router& router, Services& services);
void add_view_routes(Router& router, Services& services);
void add_user_routes(Router& router, Services& services);
void add_userdata_routes(Router& router, Services& services);
void add_internal_routes(Router& router, Services& services);
void add_login_routes(Router& router, Services& services);
void add_static_routes(Router& router, Services& services);  // last: takes what is left

void add_all_routes(Router& router, Services& services);

}  // namespace easel::server
