// LoadGraph: the pg_tview_* tables as plain arrays.
#include "catalog/graph.h"

#include "catalog/graph_timer.h"
#include "catalog/rows.h"

namespace tviews::catalog {
namespace {

struct Growing {
  size_t item;
  int count, room;
  char* items;
};

void* Append(Growing* array) {
  if (array->count == array->room) {
    array->room = array->room == 0 ? 16 : array->room * 2;
    const size_t bytes = array->item * array->room;
    array->items = static_cast<char*>(array->items == nullptr ? MemoryContextAllocHuge(CurrentMemoryContext, bytes) : repalloc_huge(array->items, bytes));
  }
  void* place = array->items + array->item * array->count++;
  memset(place, 0, array->item);
  return place;
}

// Attribute numbers of the named columns; null when one is missing.
AttrNumber* ColumnNumbers(Oid relation, char** names, int count) {
  AttrNumber* numbers = static_cast<AttrNumber*>(palloc(sizeof(AttrNumber) * (count + 1)));
  for (int i = 0; i < count; ++i) {
    numbers[i] = get_attnum(relation, names[i]);
    if (numbers[i] <= 0) {
      return nullptr;
    }
  }
  return numbers;
}

pg::KeyType* ColumnTypes(Oid relation, const AttrNumber* columns, int count) {
  pg::KeyType* types = static_cast<pg::KeyType*>(palloc0(sizeof(pg::KeyType) * (count + 1)));
  for (int i = 0; i < count; ++i) {
    Oid type, collation;
    int32 typmod;
    get_atttypetypmodcoll(relation, columns[i], &type, &typmod, &collation);
    types[i] = pg::LookupKeyType(type, typmod, collation);
  }
  return types;
}

Oid ViewOwner(Oid view) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(view));
  if (!HeapTupleIsValid(tuple)) {
    return InvalidOid;
  }
  const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  return owner;
}

// Fills `tview` from the row; false when its table, its view or one of its columns is gone.
bool ReadTview(const RowScan& row, Tview* tview) {
  tview->table = OidColumn(row, tview_column::kTview);
  tview->view = OidColumn(row, tview_column::kView);
  HeapTuple table = SearchSysCache1(RELOID, ObjectIdGetDatum(tview->table));
  if (!HeapTupleIsValid(table)) {
    return false;
  }
  const Form_pg_class form = reinterpret_cast<Form_pg_class>(GETSTRUCT(table));
  tview->owner = form->relowner;
  tview->schema = get_namespace_name(form->relnamespace);
  ReleaseSysCache(table);
  if (tview->schema == nullptr || get_rel_relkind(tview->view) != RELKIND_VIEW) {
    return false;
  }
  tview->entity = TextColumn(row, tview_column::kEntity);
  tview->state = static_cast<State>(CharColumn(row, tview_column::kState));
  tview->level = IntColumn(row, tview_column::kLevel);
  tview->settings = ArrayColumn(row, tview_column::kSettings);
  // Written out, it reads with the rights of the TVIEW's owner what the view reads with its own owner's.
  tview->narrowed = ViewOwner(tview->view) == tview->owner ? TextColumn(row, tview_column::kNarrowed) : nullptr;
  const Datum options = CopiedColumn(row, tview_column::kOptions);
  tview->min_interval_ms = IntervalOption(options, "min_interval");
  tview->refresh_every_ms = IntervalOption(options, "refresh_every");
  tview->refresh_due = tview->refresh_every_ms > 0 ? NextRefresh(tview->refresh_every_ms, TimeColumn(row, tview_column::kCreatedAt), tview->settings) : DT_NOEND;
  char** keys = ArrayTexts(ArrayColumn(row, tview_column::kKeyColumns), &tview->key_count);
  char** owned = ArrayTexts(ArrayColumn(row, tview_column::kColumns), &tview->owned_count);
  tview->key_columns = ColumnNumbers(tview->table, keys, tview->key_count);
  tview->view_key_columns = ColumnNumbers(tview->view, keys, tview->key_count);
  tview->owned_columns = ColumnNumbers(tview->table, owned, tview->owned_count);
  tview->view_columns = ColumnNumbers(tview->view, owned, tview->owned_count);
  if (tview->key_columns == nullptr || tview->view_key_columns == nullptr || tview->owned_columns == nullptr || tview->view_columns == nullptr) {
    return false;
  }
  tview->key_types = ColumnTypes(tview->table, tview->key_columns, tview->key_count);
  tview->key_index = FindKeyIndex(tview->table, tview->key_columns, tview->key_count);
  return true;
}

int CompareTviews(const void* a, const void* b) {
  const Tview *x = static_cast<const Tview*>(a), *y = static_cast<const Tview*>(b);
  if (x->level != y->level) {
    return x->level < y->level ? -1 : 1;
  }
  return x->table < y->table ? -1 : x->table > y->table;
}

int ComparePoints(const void* a, const void* b) {
  const CapturePoint *x = static_cast<const CapturePoint*>(a), *y = static_cast<const CapturePoint*>(b);
  return x->id < y->id ? -1 : x->id > y->id;
}

// A mapping with what is only needed while loading.
struct LoadedMapping {
  Mapping mapping;
  int ordinal;
  char** used;
  int used_count;
  bool uses_all;
  bool nulls;
};

int CompareMappings(const void* a, const void* b) {
  const LoadedMapping *x = static_cast<const LoadedMapping*>(a), *y = static_cast<const LoadedMapping*>(b);
  if (x->mapping.point != y->mapping.point) {
    return x->mapping.point < y->mapping.point ? -1 : 1;
  }
  if (x->mapping.tview != y->mapping.tview) {
    return x->mapping.tview < y->mapping.tview ? -1 : 1;
  }
  return x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

int CompareReads(const void* a, const void* b) {
  const Reads *x = static_cast<const Reads*>(a), *y = static_cast<const Reads*>(b);
  if (x->relation != y->relation) {
    return x->relation < y->relation ? -1 : 1;
  }
  return x->tview < y->tview ? -1 : x->tview > y->tview;
}

int TviewIndex(const Graph* graph, Oid table) {
  const Tview* tview = FindTview(graph, table);
  return tview == nullptr ? -1 : static_cast<int>(tview - graph->tviews);
}

void LoadTviews(Graph* graph, Snapshot snapshot) {
  Growing array = {sizeof(Tview), 0, 0, nullptr};
  RowScan scan = OpenRows(pg::Table::kTview, snapshot);
  while (NextRow(&scan)) {
    if (!ReadTview(scan, static_cast<Tview*>(Append(&array)))) {
      --array.count;
    }
  }
  CloseRows(&scan);
  graph->tviews = reinterpret_cast<Tview*>(array.items);
  graph->tview_count = array.count;
  if (array.count > 1) {
    qsort(array.items, array.count, sizeof(Tview), CompareTviews);
  }
}

// Later than by its creation is a TVIEW due that its timer has refreshed already.
void LoadTimers(Graph* graph, Snapshot snapshot) {
  RowScan scan = OpenRows(pg::Table::kTimer, snapshot);
  while (NextRow(&scan)) {
    const int t = TviewIndex(graph, OidColumn(scan, timer_column::kTview));
    if (t >= 0 && graph->tviews[t].refresh_every_ms > 0) {
      Tview* tview = &graph->tviews[t];
      tview->refresh_due = NextRefresh(tview->refresh_every_ms, TimeColumn(scan, timer_column::kRefreshedAt), tview->settings);
    }
  }
  CloseRows(&scan);
}

// `points` gets those whose relation and columns exist.
void LoadPointRows(Graph* graph, Snapshot snapshot) {
  Growing array = {sizeof(CapturePoint), 0, 0, nullptr};
  RowScan scan = OpenRows(pg::Table::kPoint, snapshot);
  while (NextRow(&scan)) {
    const Oid relation = OidColumn(scan, point_column::kRelation);
    int count;
    char** names = ArrayTexts(ArrayColumn(scan, point_column::kColumns), &count);
    AttrNumber* columns = SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)) ? ColumnNumbers(relation, names, count) : nullptr;
    if (columns == nullptr) {
      continue;
    }
    CapturePoint* point = static_cast<CapturePoint*>(Append(&array));
    point->id = static_cast<core::PointId>(IntColumn(scan, point_column::kPoint));
    point->relation = relation;
    point->column_count = count;
    point->columns = columns;
    point->types = ColumnTypes(relation, columns, count);
    int path_count;
    point->json_paths = ArrayTexts(ArrayColumn(scan, point_column::kPaths), &path_count);
    for (int i = 0; i < path_count && i < count; ++i) {
      point->types[i] = CapturedType(point->types[i], point->json_paths[i]);
    }
  }
  CloseRows(&scan);
  graph->points = reinterpret_cast<CapturePoint*>(array.items);
  graph->point_count = array.count;
  if (array.count > 1) {
    qsort(array.items, array.count, sizeof(CapturePoint), ComparePoints);
  }
}

void SetUsed(Graph* graph, const LoadedMapping* loaded, int count) {
  int next = 0;
  for (int i = 0; i < graph->point_count; ++i) {
    CapturePoint* point = &graph->points[i];
    bool everything = false;
    while (next < count && loaded[next].mapping.point < point->id) {
      ++next;
    }
    for (; next < count && loaded[next].mapping.point == point->id; ++next) {
      const MappingKind kind = loaded[next].mapping.kind;
      point->nulls = point->nulls || kind == MappingKind::kPartition || kind == MappingKind::kFull || loaded[next].nulls;
      everything = everything || loaded[next].uses_all;
      for (int u = 0; u < loaded[next].used_count; ++u) {
        const AttrNumber number = get_attnum(point->relation, loaded[next].used[u]);
        if (number > 0) {
          point->used = bms_add_member(point->used, number);
        }
      }
    }
    if (everything) {
      point->used = nullptr;
    } else if (point->used == nullptr) {
      point->used = bms_make_singleton(0);  // no column matters
    }
  }
}

void LoadMappings(Graph* graph, Snapshot snapshot) {
  Growing array = {sizeof(LoadedMapping), 0, 0, nullptr};
  RowScan scan = OpenRows(pg::Table::kMapping, snapshot);
  while (NextRow(&scan)) {
    const int tview = TviewIndex(graph, OidColumn(scan, mapping_column::kTview));
    const core::PointId point = static_cast<core::PointId>(IntColumn(scan, mapping_column::kPoint));
    if (tview < 0 || FindPoint(graph, point) == nullptr) {
      continue;
    }
    LoadedMapping* loaded = static_cast<LoadedMapping*>(Append(&array));
    loaded->mapping = {point, tview, static_cast<MappingKind>(CharColumn(scan, mapping_column::kKind)), TextColumn(scan, mapping_column::kQuery)};
    loaded->ordinal = IntColumn(scan, mapping_column::kOrdinal);
    ArrayType* used = ArrayColumn(scan, mapping_column::kUsed);
    loaded->uses_all = used == nullptr;
    loaded->nulls = BoolColumn(scan, mapping_column::kNulls);
    loaded->used = ArrayTexts(used, &loaded->used_count);
  }
  CloseRows(&scan);
  LoadedMapping* loaded = reinterpret_cast<LoadedMapping*>(array.items);
  if (array.count > 1) {
    qsort(loaded, array.count, sizeof(LoadedMapping), CompareMappings);
  }
  graph->mapping_count = array.count;
  graph->mappings = static_cast<Mapping*>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Mapping) * (array.count + 1)));
  for (int i = 0; i < array.count; ++i) {
    graph->mappings[i] = loaded[i].mapping;
  }
  SetUsed(graph, loaded, array.count);
}

void LoadReads(Graph* graph, Snapshot snapshot) {
  Growing array = {sizeof(Reads), 0, 0, nullptr};
  RowScan scan = OpenRows(pg::Table::kRelation, snapshot);
  while (NextRow(&scan)) {
    const int tview = TviewIndex(graph, OidColumn(scan, relation_column::kTview));
    if (tview < 0) {
      continue;
    }
    Reads* reads = static_cast<Reads*>(Append(&array));
    reads->tview = tview;
    reads->relation = OidColumn(scan, relation_column::kRelation);
    reads->read_tview = TviewIndex(graph, reads->relation);
  }
  CloseRows(&scan);
  graph->reads = reinterpret_cast<Reads*>(array.items);
  graph->reads_count = array.count;
  if (array.count > 1) {
    qsort(array.items, array.count, sizeof(Reads), CompareReads);
  }
}

}  // namespace

Oid FindKeyIndex(Oid table, const AttrNumber* key, int key_count) {
  Oid found = InvalidOid;
  Relation indexes = table_open(IndexRelationId, AccessShareLock);
  ScanKeyData scan_key;
  ScanKeyInit(&scan_key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
  SysScanDesc scan = systable_beginscan(indexes, IndexIndrelidIndexId, true, nullptr, 1, &scan_key);
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    const Form_pg_index form = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
    if (!form->indisunique || !form->indisvalid || !form->indisready || !form->indislive || !form->indimmediate || form->indnkeyatts != key_count ||
        !heap_attisnull(tuple, Anum_pg_index_indpred, nullptr) || !heap_attisnull(tuple, Anum_pg_index_indexprs, nullptr)) {
      continue;
    }
    bool same = true;
    for (int i = 0; i < key_count && same; ++i) {
      same = false;
      for (int j = 0; j < key_count && !same; ++j) {
        same = form->indkey.values[j] == key[i];
      }
    }
    if (same && (form->indisprimary || !OidIsValid(found))) {
      found = form->indexrelid;
    }
  }
  systable_endscan(scan);
  table_close(indexes, AccessShareLock);
  return found;
}

Graph* LoadGraph(Snapshot snapshot) {
  Graph* graph = static_cast<Graph*>(palloc0(sizeof(Graph)));
  LoadTviews(graph, snapshot);
  LoadTimers(graph, snapshot);
  LoadPointRows(graph, snapshot);
  LoadMappings(graph, snapshot);
  LoadReads(graph, snapshot);
  return graph;
}

const CapturePoint* FindPoint(const Graph* graph, core::PointId id) {
  int low = 0, high = graph->point_count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (graph->points[middle].id < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < graph->point_count && graph->points[low].id == id ? &graph->points[low] : nullptr;
}

// By level first, so a linear look; a graph has hundreds of TVIEWs at most.
const Tview* FindTview(const Graph* graph, Oid table) {
  for (int i = 0; i < graph->tview_count; ++i) {
    if (graph->tviews[i].table == table) {
      return &graph->tviews[i];
    }
  }
  return nullptr;
}

}  // namespace tviews::catalog
