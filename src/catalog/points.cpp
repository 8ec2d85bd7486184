// LoadPoints: what the capture trigger of a relation has to note.
#include "catalog/graph.h"
#include "catalog/rows.h"

namespace tviews::catalog {
namespace {

// Adds the columns of one mapping to `*used`; false when all columns matter.
bool AddUsed(Relation relation, ArrayType* names, Bitmapset** used) {
  if (names == nullptr) {
    return false;
  }
  int count;
  char** texts = ArrayTexts(names, &count);
  for (int i = 0; i < count; ++i) {
    const AttrNumber number = get_attnum(RelationGetRelid(relation), texts[i]);
    if (number > 0) {
      *used = bms_add_member(*used, number);
    }
  }
  return true;
}

// Sets the columns whose change matters, over all mappings of a point (null: all), and whether NULLs are captured.  False when no
// mapping needs the point.
bool LoadUsed(Relation relation, CapturePoint* point) {
  Bitmapset** used = &point->used;
  bool everything = false, any = false;
  RowScan scan = OpenRowsByKey(pg::Table::kMapping, kMappingByPoint, mapping_column::kPoint, Int32GetDatum(static_cast<int32>(point->id)), false, nullptr);
  while (NextRow(&scan)) {
    any = true;
    const MappingKind kind = static_cast<MappingKind>(CharColumn(scan, mapping_column::kKind));
    point->nulls = point->nulls || kind == MappingKind::kPartition || kind == MappingKind::kFull || BoolColumn(scan, mapping_column::kNulls);
    everything = !AddUsed(relation, ArrayColumn(scan, mapping_column::kUsed), used) || everything;
  }
  CloseRows(&scan);
  if (everything) {
    *used = nullptr;
  } else if (*used == nullptr) {
    *used = bms_make_singleton(0);  // no column matters: an UPDATE changes nothing, INSERT and DELETE do
  }
  return any;
}

}  // namespace

pg::KeyType CapturedType(const pg::KeyType& column, const char* json_path) {
  return json_path == nullptr || json_path[0] == '\0' ? column : pg::LookupKeyType(TEXTOID, -1, DEFAULT_COLLATION_OID);
}

CapturePoint* LoadPoints(Relation relation, int* count) {
  int room = 8;
  CapturePoint* points = static_cast<CapturePoint*>(palloc(room * sizeof(CapturePoint)));
  *count = 0;
  if (!OidIsValid(pg::ExtensionOid())) {
    return points;
  }
  const List* relations = SelfAndAncestors(RelationGetRelid(relation));
  ListCell* cell;
  foreach (cell, relations) {
    RowScan scan = OpenRowsByKey(pg::Table::kPoint, kPointByRelation, point_column::kRelation, ObjectIdGetDatum(lfirst_oid(cell)), true, nullptr);
    while (NextRow(&scan)) {
      CapturePoint point = {};
      point.id = static_cast<core::PointId>(IntColumn(scan, point_column::kPoint));
      point.relation = lfirst_oid(cell);
      char** names = ArrayTexts(ArrayColumn(scan, point_column::kColumns), &point.column_count);
      int path_count;
      point.json_paths = ArrayTexts(ArrayColumn(scan, point_column::kPaths), &path_count);
      point.columns = static_cast<AttrNumber*>(palloc(sizeof(AttrNumber) * (point.column_count + 1)));
      point.types = static_cast<pg::KeyType*>(palloc0(sizeof(pg::KeyType) * (point.column_count + 1)));
      bool complete = true;
      for (int i = 0; i < point.column_count && complete; ++i) {
        point.columns[i] = get_attnum(RelationGetRelid(relation), names[i]);
        complete = point.columns[i] > 0;
        if (complete) {
          const Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), point.columns[i] - 1);
          point.types[i] = CapturedType(pg::LookupKeyType(attribute->atttypid, attribute->atttypmod, attribute->attcollation),
                                        i < path_count ? point.json_paths[i] : nullptr);
        }
      }
      if (!complete || !LoadUsed(relation, &point)) {
        continue;
      }
      if (*count == room) {
        room *= 2;
        points = static_cast<CapturePoint*>(repalloc(points, room * sizeof(CapturePoint)));
      }
      points[(*count)++] = point;
    }
    CloseRows(&scan);
  }
  return points;
}

}  // namespace tviews::catalog
