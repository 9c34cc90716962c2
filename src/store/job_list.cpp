#include "store/job_list.h"

#include <algorithm>
#include <array>
#include <vector>

namespace easel::store {
namespace {

constexpr const char* kQueueColumns =
    "SELECT prompt_id, number, CASE running WHEN 1 THEN 'in_progress' ELSE 'pending' END AS state, created, "
    "0 AS started, 0 AS ended, workflow_id, '{}' AS details, owner FROM queue";
constexpr const char* kHistoryColumns =
    "SELECT prompt_id, number, state, created, started, ended, workflow_id, details, owner FROM history";

// One of the tables, with the filter's states that it holds as a condition on its own columns.
struct Table {
  const char *name, *columns;
  std::string states;  // "" for all of them
};

// Only words from `known` get into the text.
std::string any_of(const std::vector<std::string>& wanted, const char* column,
                   const std::vector<std::pair<const char*, const char*>>& known, bool& none) {
  std::string values;
  size_t count = 0;
  for (const auto& [state, value] : known)
    if (std::ranges::find(wanted, state) != wanted.end()) values += (count++ ? ", " : "") + std::string(value);
  none = count == 0 && !wanted.empty();
  return wanted.empty() || count == known.size() ? "" : fmt::format("{} IN ({})", column, values);
}

std::vector<Table> tables(const JobFilter& filter) {
  std::vector<Table> wanted;
  bool none = false;
  std::string states = any_of(filter.states, "running", {{"pending", "0"}, {"in_progress", "1"}}, none);
  if (!none) wanted.push_back({"queue", kQueueColumns, std::move(states)});
  states = any_of(filter.states, "state",
                  {{"completed", "'completed'"}, {"failed", "'failed'"}, {"cancelled", "'cancelled'"}}, none);
  if (!none) wanted.push_back({"history", kHistoryColumns, std::move(states)});
  return wanted;
}

// ?1 workflow, ?2 whether anybody's, ?3 owner.
std::string conditions(const Table& table) {
  return " WHERE (?1 = '' OR workflow_id = ?1) AND (?2 OR owner = ?3)" +
         (table.states.empty() ? "" : " AND " + table.states);
}

int64_t count_of(Database& database, const Table& table, const JobFilter& filter) {
  if (filter.workflow_id.empty() && !filter.owner) {  // from the smallest index there is
    Statement count(database, fmt::format("SELECT count(*) FROM {}{}", table.name,
                                          table.states.empty() ? "" : " WHERE " + table.states));
    count.step();
    return count.integer(0);
  }
  Statement count(database, fmt::format("SELECT count(*) FROM {}{}", table.name, conditions(table)));
  count.bind(filter.workflow_id, static_cast<int>(!filter.owner), filter.owner.value_or("")).step();
  return count.integer(0);
}

JobLine read_line(const Statement& row) {
  return {row.text(0),    row.real(1), row.text(2), row.integer(3), row.integer(4),
          row.integer(5), row.text(6), row.text(7), row.text(8)};
}

}  // namespace

JobPage list_jobs(Database& database, const JobFilter& filter) {
  JobPage page;
  std::string sql;
  for (const Table& table : tables(filter)) {
    sql += (sql.empty() ? "" : " UNION ALL ") + std::string(table.columns) + conditions(table);
    page.total += count_of(database, table, filter);
  }
  if (sql.empty()) return page;
  const char* direction = filter.ascending ? "ASC" : "DESC";
  // By creation the rows come in the order of an index, and no more of them are read than are shown.
  sql = filter.by_duration ? fmt::format("SELECT * FROM ({}) ORDER BY ended - started {}, created DESC", sql, direction)
                           : fmt::format("{0} ORDER BY created {1}, number {1}", sql, direction);
  Statement rows(database, sql + " LIMIT ?4 OFFSET ?5");
  rows.bind(filter.workflow_id, static_cast<int>(!filter.owner), filter.owner.value_or(""), filter.limit,
            filter.offset);
  while (rows.step()) page.jobs.push_back(read_line(rows));
  return page;
}

std::optional<JobLine> find_job_line(Database& database, const std::string& prompt_id) {
  for (const char* columns : {kQueueColumns, kHistoryColumns}) {
    Statement row(database, std::string(columns) + " WHERE prompt_id = ?");
    if (row.bind(prompt_id).step()) return read_line(row);
  }
  return std::nullopt;
}

}  // namespace easel::store
