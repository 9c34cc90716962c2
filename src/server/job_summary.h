// What a list of jobs shows of a run that has ended: when, how, how many outputs, which of them to look at.
#pragma once
#include <string>

#include "store/store.h"

namespace easel::server {

// From the history entry's outputs and status. Behaviour matched: the summaries that newer pages read from /api/jobs
// (reference/ecosystem.md §1.5).
store::Summary summarize(const store::Result& result);

// The "id" of the page's workflow in an extra_pnginfo text, "" if there is none. Reads no further than that.
std::string workflow_id(const std::string& extra_pnginfo);

}  // namespace easel::server
