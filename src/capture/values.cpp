// What a capture point takes from a row.
#include "capture/values.h"

#include "capture/entry.h"

namespace tviews::capture {

namespace {

// The text at a path of a jsonb value, as #>> gives it; never raises for any document.
Datum TextAtPath(Datum document, const JsonPath& path, bool* is_null) {
  struct varlena* stored = reinterpret_cast<struct varlena*>(DatumGetPointer(document));
  struct varlena* plain = pg_detoast_datum(stored);
  const Datum text = jsonb_get_element(reinterpret_cast<Jsonb*>(plain), path.steps, path.count, is_null, true);
  if (plain != stored) {
    pfree(plain);  // the text is a copy
  }
  return text;
}

}  // namespace

bool EncodeValue(const Point& point, const TupleTableSlot* row, StringInfo out) {
  resetStringInfo(out);
  for (int i = 0; i < point.column_count; ++i) {
    const int column = point.columns[i] - 1;
    const bool by_path = point.paths != nullptr && point.paths[i].steps != nullptr;
    Datum value = row->tts_values[column];
    bool is_null = row->tts_isnull[column];
    if (by_path && !is_null) {
      value = TextAtPath(value, point.paths[i], &is_null);
    }
    if (is_null && !point.nulls) {
      return false;
    }
    pg::AppendField(out, value, is_null, point.types[i]);
    if (by_path && !is_null) {
      pfree(DatumGetPointer(value));
    }
  }
  return true;
}

void CollectValues(Relation relation, TupleTableSlot* row, core::KeySets* out) {
  const Entry* entry = FindEntry(relation);
  StringInfoData value;
  initStringInfo(&value);
  slot_getallattrs(row);
  for (int i = 0; i < entry->point_count; ++i) {
    if (EncodeValue(entry->points[i], row, &value) &&
        core::AddKey(out, entry->points[i].id, {reinterpret_cast<unsigned char*>(value.data), static_cast<size_t>(value.len)}, nullptr) != core::Outcome::kOk) {
      ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    }
  }
  pfree(value.data);
}

}  // namespace tviews::capture
