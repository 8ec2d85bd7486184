// The worker's prepared statements: least recently used, found by TVIEW, text and kind of plan.
#include "refresh/statement_cache.h"

#include "pg/settings.h"
#include "refresh/choice.h"
#include "refresh/refresh.h"
#include "shmem/statistics.h"

namespace tviews::refresh {

namespace {

struct StatementKey {
  Oid tview;
  uint32 kind;
  uint64 hash;
};

}  // namespace

struct Statement {
  StatementKey key;
  dlist_node by_use;
  SPIPlanPtr plan;  // null: being prepared
};

namespace {

HTAB* statements;
dlist_head by_use;  // most recent first
shmem::StatementCounters counters;

// dlist_container() is C only.
Statement* StatementOf(dlist_node* node) {
  return reinterpret_cast<Statement*>(reinterpret_cast<char*>(node) - offsetof(Statement, by_use));
}
Statement* LeastRecentlyUsed() { return StatementOf(dlist_tail_node(&by_use)); }

void Open() {
  if (statements != nullptr) {
    return;
  }
  HASHCTL control = {};
  control.keysize = sizeof(StatementKey);
  control.entrysize = sizeof(Statement);
  control.hcxt = CacheMemoryContext;
  statements = hash_create("pg_tviews statements", 128, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  dlist_init(&by_use);
}

void Drop(Statement* statement) {
  SPIPlanPtr plan = statement->plan;
  dlist_delete(&statement->by_use);
  hash_search(statements, &statement->key, HASH_REMOVE, nullptr);
  SPI_freeplan(plan);
}

CachedPlanSource* Source(const Statement* statement) {
  return static_cast<CachedPlanSource*>(linitial(SPI_plan_get_plan_sources(statement->plan)));
}

uint64 CountBytes() {
  uint64 bytes = 0;
  for (dlist_node* node = by_use.head.next; node != &by_use.head; node = node->next) {
    const CachedPlanSource* source = Source(StatementOf(node));
    bytes += MemoryContextMemAllocated(source->context, true);
    bytes += source->gplan != nullptr ? MemoryContextMemAllocated(source->gplan->context, true) : 0;
  }
  return bytes;
}

ParamListInfo BindArguments(const Arguments& arguments) {
  ParamListInfo params = makeParamList(arguments.count);
  for (int i = 0; i < arguments.count; ++i) {
    params->params[i].value = arguments.values[i];
    params->params[i].isnull = false;
    params->params[i].pflags = PARAM_FLAG_CONST;
    params->params[i].ptype = arguments.types[i];
  }
  return params;
}

bool IsFor(const Statement* statement, const char* text, const Arguments& arguments) {
  const CachedPlanSource* source = Source(statement);
  return strcmp(source->query_string, text) == 0 && source->num_params == arguments.count &&
         memcmp(source->param_types, arguments.types, arguments.count * sizeof(Oid)) == 0;
}

}  // namespace

Statement* GetStatement(Oid tview, const char* text, const Arguments& arguments, PlanKind kind) {
  Open();
  StatementKey key;
  memset(&key, 0, sizeof(key));
  key.tview = tview;
  key.kind = static_cast<uint32>(kind);
  // One text serves several argument types: an int and a bigint column that refer to the same key.
  const uint64 types = hash_bytes_extended(reinterpret_cast<const unsigned char*>(arguments.types),
                                           arguments.count * static_cast<int>(sizeof(Oid)), 0);
  key.hash = hash_bytes_extended(reinterpret_cast<const unsigned char*>(text), static_cast<int>(strlen(text)), types);

  Statement* found = static_cast<Statement*>(hash_search(statements, &key, HASH_FIND, nullptr));
  if (found != nullptr && !IsFor(found, text, arguments)) {
    Drop(found);
    found = nullptr;
  }
  if (found != nullptr) {
    ++counters.hits;
    dlist_move_head(&by_use, &found->by_use);
    return found;
  }
  ++counters.misses;
  const int options = CURSOR_OPT_PARALLEL_OK | (kind == PlanKind::kGeneric ? CURSOR_OPT_GENERIC_PLAN : CURSOR_OPT_CUSTOM_PLAN);
  const MemoryContext context = CurrentMemoryContext;
  SPIPlanPtr plan = SPI_prepare_cursor(text, arguments.count, arguments.types, options);
  MemoryContextSwitchTo(context);  // SPI leaves its own
  if (plan == nullptr) {
    elog(ERROR, "could not prepare \"%s\": %s", text, SPI_result_code_string(SPI_result));
  }
  if (list_length(SPI_plan_get_plan_sources(plan)) != 1) {
    elog(ERROR, "\"%s\" is not one statement", text);
  }
  while (hash_get_num_entries(statements) >= pg::prepared_stmt_cache_size) {
    Drop(LeastRecentlyUsed());
    ++counters.evictions;
  }
  found = static_cast<Statement*>(hash_search(statements, &key, HASH_ENTER, nullptr));
  found->plan = plan;
  dlist_push_head(&by_use, &found->by_use);
  SPI_keepplan(plan);
  counters.bytes = CountBytes();
  return found;
}

bool StatementIsValid(const Statement* statement) { return CachedPlanIsValid(Source(statement)); }

double StatementCost(Statement* statement, const Arguments& arguments) {
  CachedPlan* plan = GetCachedPlan(Source(statement), BindArguments(arguments), CurrentResourceOwner, nullptr);
  double cost = 0;
  ListCell* cell;
  foreach (cell, plan->stmt_list) {
    const PlannedStmt* planned = lfirst_node(PlannedStmt, cell);
    cost += planned->planTree != nullptr ? planned->planTree->total_cost : 0;
  }
  ReleaseCachedPlan(plan, CurrentResourceOwner);
  return cost;
}

void RunStatement(Statement* statement, const Arguments& arguments, DestReceiver* dest) {
  SPIExecuteOptions options = {};
  options.params = BindArguments(arguments);
  options.read_only = true;
  options.dest = dest;
  const MemoryContext context = CurrentMemoryContext;
  const int code = SPI_execute_plan_extended(statement->plan, &options);
  MemoryContextSwitchTo(context);  // SPI leaves its own, gone with SPI_finish
  if (code < 0) {
    elog(ERROR, "could not run a refresh statement: %s", SPI_result_code_string(code));
  }
}

void PublishStatements() {
  counters.entries = statements != nullptr ? hash_get_num_entries(statements) : 0;
  counters.capacity = pg::prepared_stmt_cache_size;
  shmem::PublishStatementCounters(counters);
}

void ResetStatementCache() {
  ForgetChoices();
  if (statements == nullptr) {
    return;
  }
  while (!dlist_is_empty(&by_use)) {
    Drop(LeastRecentlyUsed());
  }
  counters.bytes = 0;
  PublishStatements();
}

}  // namespace tviews::refresh
