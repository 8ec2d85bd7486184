// Entries as bytes: written from the catalog, read against the relation as it is now.
#include "capture/entry_bytes.h"

#include "catalog/graph.h"

namespace tviews::capture {
namespace {

void PutInt(StringInfo out, int32 value) { appendBinaryStringInfo(out, reinterpret_cast<const char*>(&value), sizeof(value)); }

// A set that holds only 0 stands for no column at all.
void PutUsed(StringInfo out, const Bitmapset* used) {
  if (used == nullptr) {
    PutInt(out, -1);
    return;
  }
  PutInt(out, bms_num_members(used) - (bms_is_member(0, used) ? 1 : 0));
  for (int column = 0; (column = bms_next_member(used, column)) >= 0;) {
    PutInt(out, column);
  }
}

void PutText(StringInfo out, const char* text) {
  PutInt(out, static_cast<int32>(strlen(text)));
  appendBinaryStringInfo(out, text, static_cast<int>(strlen(text)));
}

struct Reader {
  core::ByteSpan bytes;
  size_t offset;
  bool failed;
};

int32 GetInt(Reader* reader) {
  int32 value = 0;
  if (reader->offset + sizeof(value) > reader->bytes.size) {
    reader->failed = true;
    return 0;
  }
  memcpy(&value, reader->bytes.data + reader->offset, sizeof(value));
  reader->offset += sizeof(value);
  return value;
}

// A count of things that take at least one int32 each.
int GetCount(Reader* reader) {
  const int32 count = GetInt(reader);
  if (count < 0 || static_cast<size_t>(count) > reader->bytes.size / sizeof(int32)) {
    reader->failed = true;
    return 0;
  }
  return count;
}

// Null for an empty one.
char* GetText(Reader* reader) {
  const int32 length = GetInt(reader);
  if (length < 0 || static_cast<size_t>(length) > reader->bytes.size - reader->offset) {
    reader->failed = true;
  }
  if (reader->failed || length == 0) {
    return nullptr;
  }
  char* text = pnstrdup(reinterpret_cast<const char*>(reader->bytes.data) + reader->offset, length);
  reader->offset += length;
  return text;
}

// A json path from its literal; it applies to jsonb only.
void ReadJsonPath(Reader* reader, Oid column_type, Point* point, int column) {
  char* literal = GetText(reader);
  if (literal == nullptr) {
    return;
  }
  if (getBaseType(column_type) != JSONBOID) {
    reader->failed = true;
    return;
  }
  if (point->paths == nullptr) {
    point->paths = static_cast<JsonPath*>(palloc0(sizeof(JsonPath) * point->column_count));
  }
  ArrayType* steps = DatumGetArrayTypeP(OidInputFunctionCall(F_ARRAY_IN, literal, TEXTOID, -1));
  deconstruct_array(steps, TEXTOID, -1, false, TYPALIGN_INT, &point->paths[column].steps, nullptr, &point->paths[column].count);
  point->types[column] = pg::LookupKeyType(TEXTOID, -1, DEFAULT_COLLATION_OID);
}

// A column of the relation that still exists.
AttrNumber GetColumn(Reader* reader, TupleDesc columns, Entry* entry) {
  const int32 column = GetInt(reader);
  if (column < 1 || column > columns->natts || TupleDescAttr(columns, column - 1)->attisdropped) {
    reader->failed = true;
    return 1;
  }
  entry->max_column = Max(entry->max_column, static_cast<AttrNumber>(column));
  return static_cast<AttrNumber>(column);
}

void ReadPoint(Reader* reader, TupleDesc columns, Entry* entry, Point* point) {
  point->id = static_cast<core::PointId>(GetInt(reader));
  point->relation = static_cast<Oid>(GetInt(reader));
  point->nulls = GetInt(reader) != 0;
  point->column_count = GetCount(reader);
  point->columns = static_cast<AttrNumber*>(palloc(sizeof(AttrNumber) * (point->column_count + 1)));
  point->types = static_cast<pg::KeyType*>(palloc(sizeof(pg::KeyType) * (point->column_count + 1)));
  for (int i = 0; i < point->column_count && !reader->failed; ++i) {
    point->columns[i] = GetColumn(reader, columns, entry);
    const FormData_pg_attribute* attribute = TupleDescAttr(columns, point->columns[i] - 1);
    point->types[i] = {attribute->atttypid, attribute->atttypmod, attribute->attcollation,
                       attribute->attlen,   attribute->attbyval,  attribute->attalign};
    ReadJsonPath(reader, attribute->atttypid, point, i);
  }
  point->used_count = GetInt(reader);
  if (point->used_count < 0) {
    entry->max_column = static_cast<AttrNumber>(columns->natts);
    return;
  }
  if (static_cast<size_t>(point->used_count) > reader->bytes.size / sizeof(int32)) {
    reader->failed = true;
    return;
  }
  point->used = static_cast<AttrNumber*>(palloc(sizeof(AttrNumber) * (point->used_count + 1)));
  for (int i = 0; i < point->used_count && !reader->failed; ++i) {
    point->used[i] = GetColumn(reader, columns, entry);
  }
}

}  // namespace

void WriteEntry(StringInfo out, Relation relation) {
  const List* ancestors = list_delete_first(catalog::SelfAndAncestors(RelationGetRelid(relation)));
  PutInt(out, list_length(ancestors));
  const ListCell* cell;
  foreach (cell, ancestors) {
    PutInt(out, static_cast<int32>(lfirst_oid(cell)));
  }
  int count = 0;
  const catalog::CapturePoint* points = catalog::LoadPoints(relation, &count);
  PutInt(out, count);
  for (int i = 0; i < count; ++i) {
    const catalog::CapturePoint& point = points[i];
    PutInt(out, static_cast<int32>(point.id));
    PutInt(out, static_cast<int32>(point.relation));
    PutInt(out, point.nulls ? 1 : 0);
    PutInt(out, point.column_count);
    for (int column = 0; column < point.column_count; ++column) {
      PutInt(out, point.columns[column]);
      PutText(out, point.json_paths == nullptr ? "" : point.json_paths[column]);
    }
    PutUsed(out, point.used);
  }
}

bool ReadEntry(core::ByteSpan bytes, Relation relation, Entry* entry) {
  Reader reader = {bytes, 0, false};
  entry->max_column = 0;
  entry->ancestor_count = GetCount(&reader);
  entry->ancestors = static_cast<Oid*>(palloc(sizeof(Oid) * (entry->ancestor_count + 1)));
  for (int i = 0; i < entry->ancestor_count; ++i) {
    entry->ancestors[i] = static_cast<Oid>(GetInt(&reader));
  }
  entry->point_count = GetCount(&reader);
  entry->points = static_cast<Point*>(palloc0(sizeof(Point) * (entry->point_count + 1)));
  for (int i = 0; i < entry->point_count && !reader.failed; ++i) {
    ReadPoint(&reader, RelationGetDescr(relation), entry, &entry->points[i]);
  }
  return !reader.failed;
}

}  // namespace tviews::capture
