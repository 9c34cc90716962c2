// Lists of jobs over both tables: waiting and running ones in `queue`, ended ones in `history`. Read from indexes that
// hold all that a list shows, so that the long texts of a row are never walked past.
#pragma once
#include <optional>
#include <string>

#include "store/sqlite.h"
#include "store/store.h"

namespace easel::store {

JobPage list_jobs(Database& database, const JobFilter& filter);
std::optional<JobLine> find_job_line(Database& database, const std::string& prompt_id);

}  // namespace easel::store
