// From dirty keys to affected keys: the mapping queries of lineage, run as the TVIEW's owner.
#include "core/record.h"
#include "pg/owner_context.h"
#include "refresh/key_collector.h"
#include "refresh/map_keys.h"
#include "refresh/statement_cache.h"

namespace tviews::refresh {

namespace {

constexpr size_t kChunk = 10000;
constexpr size_t kGenericUpTo = 16;

void CopyKeys(const core::KeySets* dirty, uint32 point, size_t first, size_t count, core::KeySets* affected, uint32 to) {
  for (size_t i = first; i < first + count; ++i) {
    if (core::AddKey(affected, to, core::KeyAt(dirty, point, i), nullptr) != core::Outcome::kOk) {
      ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    }
  }
}

// Dirty keys [first, first + count) as one array per column of the point.
Arguments ValueArguments(const catalog::CapturePoint* point, const core::KeySets* dirty, size_t first, size_t count) {
  Arguments arguments;
  arguments.count = point->column_count;
  arguments.types = static_cast<Oid*>(palloc(point->column_count * sizeof(Oid)));
  arguments.values = static_cast<Datum*>(palloc(point->column_count * sizeof(Datum)));
  Datum** values = static_cast<Datum**>(palloc(point->column_count * sizeof(Datum*)));
  bool** nulls = static_cast<bool**>(palloc(point->column_count * sizeof(bool*)));
  for (int c = 0; c < point->column_count; ++c) {
    values[c] = static_cast<Datum*>(palloc((count + 1) * sizeof(Datum)));
    nulls[c] = static_cast<bool*>(palloc((count + 1) * sizeof(bool)));
  }
  for (size_t k = 0; k < count; ++k) {
    const core::ByteSpan value = core::KeyAt(dirty, point->id, first + k);
    size_t offset = 0;
    for (int c = 0; c < point->column_count; ++c) {
      core::ByteSpan field;
      if (core::NextField(value, &offset, &field) != core::Next::kItem) {
        ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed dirty key of capture point %u", point->id)));
      }
      values[c][k] = pg::FieldToDatum(field, point->types[c], &nulls[c][k]);
    }
  }
  for (int c = 0; c < point->column_count; ++c) {
    arguments.types[c] = pg::ParameterType(point->types[c]);
    arguments.values[c] = pg::ParameterArray(point->types[c], values[c], nulls[c], static_cast<int>(count));
  }
  return arguments;
}

}  // namespace

void MapKeys(const Mapped& mapped, size_t from, size_t total) {
  const catalog::Tview* tview = mapped.tview;
  const catalog::CapturePoint* point = mapped.point;
  const catalog::Mapping* mapping = mapped.mapping;
  if (mapping->kind == catalog::MappingKind::kKey || mapping->kind == catalog::MappingKind::kSelf) {
    CopyKeys(mapped.dirty, point->id, from, total, mapped.affected, mapped.number);
    return;
  }
  if (mapping->query == nullptr) {
    elog(ERROR, "capture point %u has no mapping query for TVIEW \"%s\"", point->id, tview->entity);
  }
  MemoryContext outer = CurrentMemoryContext;
  MemoryContext own = AllocSetContextCreate(outer, "pg_tviews mapping", ALLOCSET_DEFAULT_SIZES);
  if (SPI_connect() != SPI_OK_CONNECT) {
    elog(ERROR, "SPI_connect failed");
  }
  MemoryContextSwitchTo(own);
  const pg::OwnerContext owner = pg::EnterOwner(tview->owner, tview->settings);
  pg::PreferCatalog();
  for (size_t done = 0; done == 0 || done < total; done += kChunk) {
    const size_t count = Min(kChunk, total - done);
    const Arguments arguments = ValueArguments(point, mapped.dirty, from + done, count);
    Statement* statement =
        GetStatement(tview->table, mapping->query, arguments, count <= kGenericUpTo ? PlanKind::kGeneric : PlanKind::kCustom);
    RunStatement(statement, arguments, NewKeyCollector(tview, mapped.affected, mapped.number));
    MemoryContextReset(own);
  }
  pg::LeaveOwner(owner);
  SPI_finish();
  MemoryContextSwitchTo(outer);
  MemoryContextDelete(own);
  PublishStatements();
}

}  // namespace tviews::refresh
