#include "server/routes/routes.h"

namespace easel::server {

void add_all_routes(Router& router, Services& services) {
  add_prompt_routes(router, services);
  add_queue_routes(router, services);
  add_history_routes(router, services);
  add_job_routes(router, services);
  add_node_routes(router, services);
  add_model_routes(router, services);
  add_system_routes(router, services);
  add_pack_routes(router, services);
  add_upload_routes(router, services);
  add_view_routes(router, services);
  add_user_routes(router, services);
  add_userdata_routes(router, services);
  add_internal_routes(router, services);
  add_login_routes(router, services);
  add_health_routes(router, services);
  add_api_docs_routes(router);
  add_static_routes(router, services);
}

}  // namespace easel::server
