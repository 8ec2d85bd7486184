// When the TVIEWs with the option refresh_every are due.
#include "catalog/graph_timer.h"

#include "catalog/rows.h"
#include "core/timer.h"

namespace tviews::catalog {
namespace {

// 2000-01-03, a Monday, as a timestamp with or without time zone.
constexpr int64 kOrigin = 2 * USECS_PER_DAY;

// The pinned TimeZone; null for UTC, and for a zone that this server does not know any more.
pg_tz* PinnedZone(ArrayType* settings) {
  int count;
  char** pairs = ArrayTexts(settings, &count);
  for (int i = 0; i + 1 < count; i += 2) {
    if (pg_strcasecmp(pairs[i], "TimeZone") == 0) {
      return pg_tzset(pairs[i + 1]);
    }
  }
  return nullptr;
}

// The clock on the wall of `zone`.
Timestamp Local(TimestampTz time, pg_tz* zone) {
  struct pg_tm tm;
  fsec_t fraction;
  int offset;
  Timestamp local;
  if (timestamp2tm(time, &offset, &tm, &fraction, nullptr, zone) != 0 || tm2timestamp(&tm, fraction, nullptr, &local) != 0) {
    return time;
  }
  return local;
}

TimestampTz FromLocal(Timestamp local, pg_tz* zone) {
  struct pg_tm tm;
  fsec_t fraction;
  TimestampTz time;
  if (timestamp2tm(local, nullptr, &tm, &fraction, nullptr, nullptr) != 0) {
    return local;
  }
  int offset = DetermineTimeZoneOffset(&tm, zone);
  return tm2timestamp(&tm, fraction, &offset, &time) == 0 ? time : local;
}

}  // namespace

int64 IntervalOption(Datum options, const char* name) {
  Jsonb* json = DatumGetJsonbP(options);
  if (!JB_ROOT_IS_OBJECT(json)) {
    return 0;
  }
  JsonbValue buffer;
  JsonbValue* value = getKeyJsonValueFromContainer(&json->root, name, strlen(name), &buffer);
  if (value == nullptr || value->type != jbvString) {
    return 0;
  }
  char* text = pnstrdup(value->val.string.val, value->val.string.len);
  const Interval* interval =
      DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
  return interval->time / 1000 + (static_cast<int64>(interval->day) + interval->month * static_cast<int64>(DAYS_PER_MONTH)) * SECS_PER_DAY * 1000;
}

TimestampTz NextRefresh(int64 every_ms, TimestampTz after, ArrayType* settings) {
  const int64 period = every_ms * 1000;
  pg_tz* zone = period % USECS_PER_DAY == 0 ? PinnedZone(settings) : nullptr;
  if (zone == nullptr) {
    return core::NextTick(after, period, kOrigin);
  }
  const int64 local = core::NextTick(Local(after, zone), period, kOrigin);
  if (!IS_VALID_TIMESTAMP(local)) {
    return DT_NOEND;
  }
  const TimestampTz next = FromLocal(local, zone);
  return next > after ? next : after + period;  // a day that the zone has twice
}

TimestampTz TimerDue(Oid table) {
  RowScan row = OpenRowsByKey(pg::Table::kTview, kTviewIndex, tview_column::kTview, ObjectIdGetDatum(table), true, nullptr);
  TimestampTz due = DT_NOEND;
  if (NextRow(&row)) {
    const int64 every_ms = IntervalOption(CopiedColumn(row, tview_column::kOptions), "refresh_every");
    TimestampTz since = TimeColumn(row, tview_column::kCreatedAt);
    RowScan timer = OpenRowsByKey(pg::Table::kTimer, kTimerIndex, timer_column::kTview, ObjectIdGetDatum(table), true, nullptr);
    if (NextRow(&timer)) {
      since = TimeColumn(timer, timer_column::kRefreshedAt);
    }
    CloseRows(&timer);
    due = every_ms > 0 ? NextRefresh(every_ms, since, ArrayColumn(row, tview_column::kSettings)) : DT_NOEND;
  }
  CloseRows(&row);
  return due;
}

}  // namespace tviews::catalog
