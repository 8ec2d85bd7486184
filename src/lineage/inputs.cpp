// What is captured for a value: its columns, or of a jsonb column only the texts at the paths that the value reads.
#include "lineage/analysis.h"
#include "lineage/walker.h"

namespace tviews::lineage {

namespace {

struct Reading {
  AttrNumber column;
  List* paths;  // of List* of keys (char*)
  bool whole;   // the column is read in another way
};

bool IsIndex(const char* key) {
  const char* digits = *key == '-' ? key + 1 : key;
  return *digits != '\0' && strspn(digits, "0123456789") == strlen(digits);
}

// Appends the constant keys of an object field (a text) or a path (an array); false when there is something else.
bool AppendKeys(const Node* keys, bool is_path, List** path) {
  const Node* simple = eval_const_expressions(nullptr, static_cast<Node*>(copyObjectImpl(keys)));
  if (!IsA(simple, Const) || reinterpret_cast<const Const*>(simple)->constisnull) {
    return false;
  }
  const Datum value = reinterpret_cast<const Const*>(simple)->constvalue;
  if (!is_path) {
    char* key = TextDatumGetCString(value);
    *path = lappend(*path, key);
    return !IsIndex(key);  // -> 'n' reads no array, but the path {n} does
  }
  Datum* items;
  bool* nulls;
  int count;
  deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &count);
  for (int i = 0; i < count; ++i) {
    if (nulls[i]) {
      return false;
    }
    *path = lappend(*path, TextDatumGetCString(items[i]));
  }
  return count > 0;
}

// Whether `node` reads a jsonb column at a path of constant keys, as a text (`is_text`) or as jsonb; which column and path then.
bool ReadsPath(const Node* node, bool is_text, AttrNumber* column, List** path) {
  check_stack_depth();
  if (!is_text && IsA(node, Var)) {
    *column = reinterpret_cast<const Var*>(node)->varattno;
    return reinterpret_cast<const Var*>(node)->vartype == JSONBOID;
  }
  Oid function = InvalidOid;
  const List* args = NIL;
  if (IsA(node, OpExpr)) {
    function = get_opcode(reinterpret_cast<const OpExpr*>(node)->opno);
    args = reinterpret_cast<const OpExpr*>(node)->args;
  } else if (IsA(node, FuncExpr)) {
    function = reinterpret_cast<const FuncExpr*>(node)->funcid;
    args = reinterpret_cast<const FuncExpr*>(node)->args;
  }
  const bool is_path = function == (is_text ? F_JSONB_EXTRACT_PATH_TEXT : F_JSONB_EXTRACT_PATH);
  if (!is_path && function != (is_text ? F_JSONB_OBJECT_FIELD_TEXT : F_JSONB_OBJECT_FIELD)) {
    return false;
  }
  return ReadsPath(static_cast<const Node*>(linitial(args)), false, column, path) && AppendKeys(static_cast<const Node*>(lsecond(args)), is_path, path);
}

Reading* ReadingOf(List** readings, AttrNumber column) {
  ListCell* cell;
  foreach (cell, *readings) {
    Reading* reading = static_cast<Reading*>(lfirst(cell));
    if (reading->column == column) {
      return reading;
    }
  }
  Reading* added = static_cast<Reading*>(palloc(sizeof(Reading)));
  *added = {column, NIL, false};
  *readings = lappend(*readings, added);
  return added;
}

bool IsSamePath(const List* a, const List* b) {
  bool same = list_length(a) == list_length(b);
  for (int i = 0; same && i < list_length(a); ++i) {
    same = strcmp(static_cast<const char*>(list_nth(a, i)), static_cast<const char*>(list_nth(b, i))) == 0;
  }
  return same;
}

// Two paths that begin alike would need one document to hold both: then the whole column is captured.
void AddPath(Reading* reading, List* path) {
  ListCell* cell;
  foreach (cell, reading->paths) {
    const List* other = static_cast<const List*>(lfirst(cell));
    if (IsSamePath(path, other)) {
      return;
    }
    reading->whole = reading->whole || strcmp(static_cast<const char*>(linitial(path)), static_cast<const char*>(linitial(other))) == 0;
  }
  reading->paths = lappend(reading->paths, path);
}

bool CollectReadings(Node* node, List** readings) {
  if (node == nullptr) {
    return false;
  }
  AttrNumber column = InvalidAttrNumber;
  List* path = NIL;
  if (ReadsPath(node, true, &column, &path)) {
    AddPath(ReadingOf(readings, column), path);
    return false;
  }
  if (IsA(node, Var)) {
    ReadingOf(readings, reinterpret_cast<Var*>(node)->varattno)->whole = true;
    return false;
  }
  return WalkChildren(node, CollectReadings, readings);
}

int CompareColumns(const ListCell* a, const ListCell* b) { return static_cast<Reading*>(lfirst(a))->column - static_cast<Reading*>(lfirst(b))->column; }

List* AppendInput(List* inputs, AttrNumber column, List* path) {
  Input* input = static_cast<Input*>(palloc(sizeof(Input)));
  *input = {column, path};
  return lappend(inputs, input);
}

}  // namespace

List* InputsOf(const List* expressions) {
  List* readings = NIL;
  (void)CollectReadings(const_cast<Node*>(reinterpret_cast<const Node*>(expressions)), &readings);
  list_sort(readings, CompareColumns);
  List* inputs = NIL;
  ListCell *cell, *path;
  foreach (cell, readings) {
    const Reading* reading = static_cast<const Reading*>(lfirst(cell));
    if (reading->whole) {
      inputs = AppendInput(inputs, reading->column, NIL);
      continue;
    }
    foreach (path, reading->paths) {
      inputs = AppendInput(inputs, reading->column, static_cast<List*>(lfirst(path)));
    }
  }
  return inputs;
}

const char* PathLiteral(const List* path) {
  Datum* keys = static_cast<Datum*>(palloc(list_length(path) * sizeof(Datum)));
  for (int i = 0; i < list_length(path); ++i) {
    keys[i] = CStringGetTextDatum(static_cast<const char*>(list_nth(path, i)));
  }
  return OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(construct_array(keys, list_length(path), TEXTOID, -1, false, TYPALIGN_INT)));
}

}  // namespace tviews::lineage
