#include "store/schema.h"

namespace easel::store {
namespace {

// head: was running when the server ended, so it goes first. Numbers are SQLite REALs: a double, as in the API.
constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS queue(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, prompt_id TEXT NOT NULL UNIQUE, number REAL NOT NULL,
  running INTEGER NOT NULL DEFAULT 0, head INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
  prompt TEXT NOT NULL, extra_data TEXT NOT NULL, outputs TEXT NOT NULL,
  created INTEGER NOT NULL DEFAULT 0, workflow_id TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL DEFAULT '');
DROP INDEX IF EXISTS queue_order;
CREATE TABLE IF NOT EXISTS history(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, prompt_id TEXT NOT NULL UNIQUE, number REAL NOT NULL,
  prompt TEXT NOT NULL, extra_data TEXT NOT NULL, outputs TEXT NOT NULL,
  ui TEXT NOT NULL, status TEXT NOT NULL, meta TEXT NOT NULL, bytes INTEGER NOT NULL,
  created INTEGER NOT NULL DEFAULT 0, workflow_id TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT 'failed',
  started INTEGER NOT NULL DEFAULT 0, ended INTEGER NOT NULL DEFAULT 0, details TEXT NOT NULL DEFAULT '{}',
  owner TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS history_size ON history(bytes);
CREATE TABLE IF NOT EXISTS counter(next INTEGER NOT NULL);
INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);
)";
// Layout 1 had no columns for lists of jobs. Its entries keep their state; their times are not known.
constexpr const char* kFromLayout1 = R"(
ALTER TABLE queue ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN workflow_id TEXT NOT NULL DEFAULT '';
ALTER TABLE history ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN workflow_id TEXT NOT NULL DEFAULT '';
ALTER TABLE history ADD COLUMN state TEXT NOT NULL DEFAULT 'failed';
ALTER TABLE history ADD COLUMN started INTEGER NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN details TEXT NOT NULL DEFAULT '{}';
ALTER TABLE queue ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE history ADD COLUMN owner TEXT NOT NULL DEFAULT '';
UPDATE history SET state = CASE WHEN status LIKE '{"status_str": "success"%' THEN 'completed'
  WHEN instr(status, '["execution_interrupted"') THEN 'cancelled' ELSE 'failed' END;
)";
// These hold all that a list of jobs shows, in its order, so that SQLite need not walk past the long texts of each row.
constexpr const char* kLists = R"(
CREATE INDEX IF NOT EXISTS queue_by_time ON queue(created, number, prompt_id, running, workflow_id, owner);
CREATE INDEX IF NOT EXISTS history_by_time ON
  history(created, number, prompt_id, state, started, ended, workflow_id, owner, details);
CREATE INDEX IF NOT EXISTS history_by_state ON history(state);
)";
constexpr int kLayout = 2;

}  // namespace

void prepare_tables(Database& database, const std::string& path) {
  Statement version(database, "PRAGMA user_version");
  version.step();
  const int64_t layout = version.integer(0);
  version.finish();
  if (layout > kLayout)
    fail("open_sqlite: '{}' was written by a newer easel (layout {}, known {})", path, layout, kLayout);
  database.run("BEGIN IMMEDIATE");
  database.run(kSchema);
  if (layout == 1) database.run(kFromLayout1);
  database.run(kLists);
  database.run(fmt::format("PRAGMA user_version={}", kLayout).c_str());
  database.run("UPDATE queue SET running = 0, head = 1 WHERE running = 1");
  database.run("COMMIT");
}

}  // namespace easel::store
