// The tables of the store's database.
#pragma once
#include "store/sqlite.h"

namespace easel::store {

// Makes them, or brings those of an older layout up to this one; jobs that ran stand at the head of the queue
// afterwards. Throws Error for a layout that is not known yet.
void prepare_tables(Database& database, const std::string& path);

}  // namespace easel::store
