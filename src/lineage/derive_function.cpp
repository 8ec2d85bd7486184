// pg_tviews_derive(): what would be captured for a TVIEW over a view, without making it.
#include "lineage/lineage.h"
#include "pg/owner_context.h"
#include "pg/pg.h"

namespace tviews::lineage {

namespace {

const char* KindName(catalog::MappingKind kind) {
  switch (kind) {
    case catalog::MappingKind::kKey:
      return "key";
    case catalog::MappingKind::kMapped:
      return "mapped";
    case catalog::MappingKind::kPartition:
      return "partition";
    case catalog::MappingKind::kFull:
      return "full";
    case catalog::MappingKind::kSelf:
      return "self";
  }
  return "?";
}

Datum TextArray(Datum* texts, int count) { return PointerGetDatum(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT)); }

// What a path captures: names of columns, or "column #>> path".
Datum CaptureColumns(const Path* path) {
  Datum* names = static_cast<Datum*>(palloc(Max(path->column_count, 1) * sizeof(Datum)));
  for (int i = 0; i < path->column_count; ++i) {
    const char* name = get_attname(path->relation, path->columns[i], false);
    const char* json_path = path->json_paths == nullptr ? nullptr : path->json_paths[i];
    names[i] = CStringGetTextDatum(json_path == nullptr ? name : psprintf("%s #>> %s", quote_identifier(name), quote_literal_cstr(json_path)));
  }
  return TextArray(names, path->column_count);
}

Datum UsedNames(Oid relation, const Bitmapset* used) {
  Datum* names = static_cast<Datum*>(palloc(Max(bms_num_members(used), 1) * sizeof(Datum)));
  int count = 0;
  int column = -1;
  while ((column = bms_next_member(used, column)) >= 0) {
    names[count++] = CStringGetTextDatum(get_attname(relation, static_cast<AttrNumber>(column), false));
  }
  return TextArray(names, count);
}

Request ReadRequest(FunctionCallInfo fcinfo) {
  Request request = {};
  request.view = PG_GETARG_OID(0);
  Datum* names;
  bool* nulls;
  deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &request.key_count);
  request.key_columns = static_cast<AttrNumber*>(palloc0(Max(request.key_count, 1) * sizeof(AttrNumber)));
  for (int i = 0; i < request.key_count; ++i) {
    const char* name = nulls[i] ? "" : TextDatumGetCString(names[i]);
    request.key_columns[i] = get_attnum(request.view, name);
    if (request.key_columns[i] <= 0) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("column \"%s\" of \"%s\" does not exist", name, get_rel_name(request.view))));
    }
  }
  request.unkeyed_full = PG_GETARG_BOOL(2);
  request.table = PG_GETARG_OID(3);
  request.clock_allowed = PG_GETARG_BOOL(4);
  return request;
}

void CheckMayRead(Oid view) {
  if (get_rel_name(view) == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", view)));
  }
  const AclResult result = pg_class_aclcheck(view, GetUserId(), ACL_SELECT);
  if (result != ACLCHECK_OK) {
    aclcheck_error(result, OBJECT_VIEW, get_rel_name(view));
  }
}

}  // namespace

extern "C" {
PG_FUNCTION_INFO_V1(pg_tviews_derive);

Datum pg_tviews_derive(PG_FUNCTION_ARGS) {
  const ReturnSetInfo* result = BeginRows(fcinfo);
  CheckMayRead(PG_GETARG_OID(0));
  const Request request = ReadRequest(fcinfo);
  // Constants are folded, which may run functions of the view's owner.
  const pg::OwnerContext owner = pg::EnterOwner(pg::OwnerOf(request.view), pg::CurrentPinnedSettings());
  const Lineage lineage = DeriveLineage(request);
  pg::LeaveOwner(owner);
  for (int i = 0; i < lineage.path_count; ++i) {
    const Path* path = &lineage.paths[i];
    Datum values[7] = {};
    bool nulls[7] = {};
    values[0] = ObjectIdGetDatum(path->relation);
    values[1] = CaptureColumns(path);
    values[2] = CStringGetTextDatum(KindName(path->kind));
    nulls[3] = path->used == nullptr;
    values[3] = nulls[3] ? static_cast<Datum>(0) : UsedNames(path->relation, path->used);
    nulls[4] = path->query == nullptr;
    values[4] = nulls[4] ? static_cast<Datum>(0) : CStringGetTextDatum(path->query);
    nulls[5] = path->reason == nullptr;
    values[5] = nulls[5] ? static_cast<Datum>(0) : CStringGetTextDatum(path->reason);
    values[6] = BoolGetDatum(path->nulls);
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
  return static_cast<Datum>(0);
}
}

}  // namespace tviews::lineage
