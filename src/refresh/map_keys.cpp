// From dirty keys to affected keys: the mapping queries of lineage, run as the TVIEW's owner.
#include "core/record.h"
#include "pg/owner_context.h"
#include "refresh/key_collector.h"
#include "refresh/statement_cache.h"

namespace tviews::refresh {

namespace {

constexpr size_t kChunk = 10000;
constexpr size_t kGenericUpTo = 16;

void CopyKeys(const core::KeySets* dirty, uint32 from, core::KeySets* affected, uint32 to) {
  const size_t count = core::KeyCount(dirty, from);
  for (size_t i = 0; i < count; ++i) {
    if (core::AddKey(affected, to, core::KeyAt(dirty, from, i), nullptr) != core::Outcome::kOk) {
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
    values[c] = static_cast<Datum*>(palloc(count * sizeof(Datum)));
    nulls[c] = static_cast<bool*>(palloc(count * sizeof(bool)));
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
    const pg::KeyType& type = point->types[c];
    const Oid base = getBaseType(type.type);
    int dims[1] = {static_cast<int>(count)}, lower[1] = {1};
    arguments.types[c] = get_array_type(base);
    if (!OidIsValid(arguments.types[c])) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("captured type %s has no array type", format_type_be(type.type))));
    }
    arguments.values[c] =
        PointerGetDatum(construct_md_array(values[c], nulls[c], 1, dims, lower, base, type.length, type.by_value, type.align));
  }
  return arguments;
}

}  // namespace

void MapKeys(const catalog::Tview* tview, const catalog::CapturePoint* point, const catalog::Mapping* mapping,
             const core::KeySets* dirty, core::KeySets* affected, uint32 out_number) {
  const size_t total = core::KeyCount(dirty, point->id);
  if (total == 0) {
    return;
  }
  if (mapping->kind == catalog::MappingKind::kKey || mapping->kind == catalog::MappingKind::kSelf) {
    CopyKeys(dirty, point->id, affected, out_number);
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
  for (size_t first = 0; first < total; first += kChunk) {
    const size_t count = Min(kChunk, total - first);
    const Arguments arguments = ValueArguments(point, dirty, first, count);
    Statement* statement =
        GetStatement(tview->table, mapping->query, arguments, count <= kGenericUpTo ? PlanKind::kGeneric : PlanKind::kCustom);
    RunStatement(statement, arguments, NewKeyCollector(tview, affected, out_number));
    MemoryContextReset(own);
  }
  pg::LeaveOwner(owner);
  SPI_finish();
  MemoryContextSwitchTo(outer);
  MemoryContextDelete(own);
  PublishStatements();
}

}  // namespace tviews::refresh
