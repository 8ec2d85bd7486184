// pg_tviews_capture(): the trigger that notes which keys a change touches.
#include "core/record.h"
#include "core/ring.h"

#include "capture/entry.h"
#include "capture/transaction_set.h"
#include "capture/values.h"
#include "pg/pg.h"
#include "shmem/segment.h"

namespace tviews::capture {
namespace {

// As datum_image_eq, but a value that an UPDATE left in place, out of line, is not fetched to find out.
bool SameImage(Datum a, Datum b, const FormData_pg_attribute* attribute) {
  if (attribute->attlen == -1) {
    const char* left = DatumGetPointer(a);
    const char* right = DatumGetPointer(b);
    if (left == right ||
        (VARATT_IS_EXTERNAL_ONDISK(left) && VARATT_IS_EXTERNAL_ONDISK(right) && memcmp(left, right, VARSIZE_EXTERNAL(left)) == 0)) {
      return true;
    }
  }
  return datum_image_eq(a, b, attribute->attbyval, attribute->attlen);
}

bool ColumnDiffers(AttrNumber column, const TupleTableSlot* before, const TupleTableSlot* after) {
  const int i = column - 1;
  const FormData_pg_attribute* attribute = TupleDescAttr(before->tts_tupleDescriptor, i);
  if (attribute->attisdropped) {
    return false;
  }
  if (before->tts_isnull[i] || after->tts_isnull[i]) {
    return before->tts_isnull[i] != after->tts_isnull[i];
  }
  return !SameImage(before->tts_values[i], after->tts_values[i], attribute);
}

bool UsedColumnDiffers(const Point& point, const TupleTableSlot* before, const TupleTableSlot* after) {
  const int count = point.used_count < 0 ? before->tts_tupleDescriptor->natts : point.used_count;
  for (int i = 0; i < count; ++i) {
    if (ColumnDiffers(point.used_count < 0 ? static_cast<AttrNumber>(i + 1) : point.used[i], before, after)) {
      return true;
    }
  }
  return false;
}

void NoteValue(const Point& point, const StringInfoData& value) {
  const core::DirtyKey key = {point.id, {reinterpret_cast<const unsigned char*>(value.data), static_cast<size_t>(value.len)}};
  if (core::DirtyKeySize(key) > core::kMaxPayload) {
    NoteWholeRelation(point.relation);  // the write must not fail; refreshing everything is right, if slow
  } else {
    NoteKey(key);
  }
}

bool IsSame(const StringInfoData& a, const StringInfoData& b) { return a.len == b.len && memcmp(a.data, b.data, a.len) == 0; }

struct Buffers {
  StringInfoData before, after;
};

// One changed row; `before` or `after` may be null.
void CaptureRow(const Entry* entry, TupleTableSlot* before, TupleTableSlot* after, Buffers* buffers) {
  if (before != nullptr) {
    slot_getsomeattrs(before, entry->max_column);
  }
  if (after != nullptr) {
    slot_getsomeattrs(after, entry->max_column);
  }
  for (int i = 0; i < entry->point_count; ++i) {
    const Point& point = entry->points[i];
    if (before != nullptr && after != nullptr && !UsedColumnDiffers(point, before, after)) {
      continue;
    }
    const bool has_before = before != nullptr && EncodeValue(point, before, &buffers->before);
    const bool has_after = after != nullptr && EncodeValue(point, after, &buffers->after);
    if (has_before) {
      NoteValue(point, buffers->before);
    }
    if (has_after && !(has_before && IsSame(buffers->before, buffers->after))) {
      NoteValue(point, buffers->after);
    }
  }
}

// Reads a transition table of its own accord: other triggers of the statement read it too.
void StartReading(Tuplestorestate* rows, int* pointer) {
  *pointer = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);
  tuplestore_select_read_pointer(rows, *pointer);
  tuplestore_rescan(rows);
}

bool NextRow(Tuplestorestate* rows, int pointer, TupleTableSlot* slot) {
  if (rows == nullptr) {
    return false;
  }
  tuplestore_select_read_pointer(rows, pointer);
  return tuplestore_gettupleslot(rows, true, false, slot);
}

// A statement trigger with transition tables.  For an UPDATE the executor puts the old and the new image of a row into the two
// tables in one go, so the n-th of one belongs to the n-th of the other.
void CaptureStatement(const TriggerData* trigger, const Entry* entry, Buffers* buffers) {
  Tuplestorestate* old_rows = trigger->tg_oldtable;
  Tuplestorestate* new_rows = trigger->tg_newtable;
  TupleDesc columns = RelationGetDescr(trigger->tg_relation);
  TupleTableSlot* before = MakeSingleTupleTableSlot(columns, &TTSOpsMinimalTuple);
  TupleTableSlot* after = MakeSingleTupleTableSlot(columns, &TTSOpsMinimalTuple);
  int old_pointer = 0;
  int new_pointer = 0;
  if (old_rows != nullptr) {
    StartReading(old_rows, &old_pointer);
  }
  if (new_rows != nullptr) {
    StartReading(new_rows, &new_pointer);
  }
  for (;;) {
    const bool has_before = NextRow(old_rows, old_pointer, before);
    const bool has_after = NextRow(new_rows, new_pointer, after);
    if (!has_before && !has_after) {
      break;
    }
    CHECK_FOR_INTERRUPTS();
    CaptureRow(entry, has_before ? before : nullptr, has_after ? after : nullptr, buffers);
  }
  ExecDropSingleTupleTableSlot(before);
  ExecDropSingleTupleTableSlot(after);
}

void CaptureTruncate(Oid relation, const Entry* entry) {
  NoteWholeRelation(relation);
  for (int i = 0; i < entry->ancestor_count; ++i) {
    NoteWholeRelation(entry->ancestors[i]);
  }
}

void Capture(const TriggerData* trigger) {
  const Entry* entry = FindEntry(trigger->tg_relation);
  const TriggerEvent event = trigger->tg_event;
  if (TRIGGER_FIRED_BY_TRUNCATE(event)) {
    CaptureTruncate(RelationGetRelid(trigger->tg_relation), entry);
    return;
  }
  if (entry->point_count == 0) {
    return;
  }
  Buffers buffers;
  initStringInfo(&buffers.before);
  initStringInfo(&buffers.after);
  if (TRIGGER_FIRED_FOR_STATEMENT(event)) {
    CaptureStatement(trigger, entry, &buffers);
  } else if (TRIGGER_FIRED_BY_INSERT(event)) {
    CaptureRow(entry, nullptr, trigger->tg_trigslot, &buffers);
  } else if (TRIGGER_FIRED_BY_DELETE(event)) {
    CaptureRow(entry, trigger->tg_trigslot, nullptr, &buffers);
  } else {
    CaptureRow(entry, trigger->tg_trigslot, trigger->tg_newslot, &buffers);
  }
  pfree(buffers.before.data);
  pfree(buffers.after.data);
}

void CheckCall(FunctionCallInfo fcinfo, bool before) {
  if (!CALLED_AS_TRIGGER(fcinfo)) {
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("this function of pg_tviews can only be called as a trigger")));
  }
  const TriggerEvent event = reinterpret_cast<TriggerData*>(fcinfo->context)->tg_event;
  if (before ? !TRIGGER_FIRED_BEFORE(event) : !TRIGGER_FIRED_AFTER(event)) {
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("this function of pg_tviews must be fired %s the event", before ? "BEFORE" : "AFTER")));
  }
}

}  // namespace
}  // namespace tviews::capture

extern "C" {

PG_FUNCTION_INFO_V1(pg_tviews_capture);
PG_FUNCTION_INFO_V1(pg_tviews_skip_replicated);

Datum pg_tviews_capture(PG_FUNCTION_ARGS) {
  tviews::capture::CheckCall(fcinfo, false);
  tviews::shmem::RequireAttached();
  tviews::capture::Capture(reinterpret_cast<const TriggerData*>(fcinfo->context));
  return PointerGetDatum(nullptr);
}

Datum pg_tviews_skip_replicated(PG_FUNCTION_ARGS) {
  tviews::capture::CheckCall(fcinfo, true);
  return PointerGetDatum(nullptr);
}
}
