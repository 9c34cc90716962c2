// A job of the queue or the history as clients see it. Texts that are JSON already are joined, not parsed.
#pragma once
#include <string>
#include <vector>

#include "server/http.h"
#include "store/store.h"

namespace easel::server {

std::string number_text(double number);         // 3, not 3.0
std::string queue_item(const store::Job& job);  // [number, prompt_id, prompt, extra_data, outputs_to_execute]
std::string history_item(const store::HistoryEntry& entry);  // "id": {prompt, outputs, status, meta}

// Whose jobs a request may see and edit: its user's, or everybody's.
store::Owner owner_of(const Request& request);

// The "delete" list of POST /queue and /history; HttpError 400 when it is no list of strings.
std::vector<std::string> ids_to_delete(const Json& body);

}  // namespace easel::server
