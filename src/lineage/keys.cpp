// The key of a TVIEW: which output columns, where their values come from, and what cannot be a key.
#include "lineage/paths.h"

namespace tviews::lineage {

namespace {

KeyColumn FindKeyColumn(Analysis* analysis, Level* top, AttrNumber number) {
  const TargetEntry* entry = get_tle_by_resno(top->query->targetList, number);
  if (entry == nullptr || entry->resjunk) {
    elog(ERROR, "view has no column %d", number);
  }
  const Node* expr = reinterpret_cast<const Node*>(entry->expr);
  KeyColumn column = {entry->resname, getBaseType(exprType(expr)), exprCollation(expr), nullptr, !IsKeyNeverNull(top, number)};
  const TypeCacheEntry* type = lookup_type_cache(column.type, TYPECACHE_EQ_OPR | TYPECACHE_BTREE_OPFAMILY | TYPECACHE_HASH_PROC);
  if (!OidIsValid(type->btree_opf) || !OidIsValid(type->hash_proc) || !OidIsValid(get_array_type(column.type)) || type_is_rowtype(column.type)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("column \"%s\" of type %s cannot be the key of a TVIEW", column.name, format_type_be(column.type)),
                    errhint("The key needs a type with an equality, a sort order and a hash function; arrays and composite types cannot be keys.")));
  }
  column.sources = ComparableBy(analysis, ResolveOutput(analysis, top, number, Resolve::kExit), type->btree_opf);
  return column;
}

// The first relation on the optional side of an outer join that the column comes from, in whichever branch; null when there is none, or
// when the column is merged from several.
const Occurrence* OptionalSource(const Analysis* analysis, const KeyColumn* column) {
  const Occurrence* optional = nullptr;
  for (const Target* target = column->sources; target != nullptr; target = target->next) {
    const Occurrence* source = &analysis->occurrences[target->occurrence];
    if (!OidIsValid(source->relation)) {
      return nullptr;
    }
    optional = optional == nullptr && source->nullable ? source : optional;
  }
  return optional;
}

// A key column from the optional side of an outer join: a row that finds no match has no key, and no path leads from it to one.
void RefuseOptional(const Analysis* analysis, const KeyColumn* column) {
  const Occurrence* source = column->nullable ? OptionalSource(analysis, column) : nullptr;
  if (source != nullptr) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("key column \"%s\" of the TVIEW comes from table %s, the optional side of an outer join", column->name, QualifiedName(source->relation)),
                    errdetail("Rows without a match would have no key."),
                    errhint("Take the key from the side that keeps its rows, or add \"WHERE ... IS NOT NULL\" to the query.")));
  }
}

}  // namespace

Key FindKey(Analysis* analysis, Level* top, const Request* request) {
  if (request->key_count < 1) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW needs a key"), errhint("Name columns that are unique in the view.")));
  }
  Key key = {request->key_count, static_cast<KeyColumn*>(palloc0(request->key_count * sizeof(KeyColumn))), "", false, request->view, request->table};
  for (int i = 0; i < key.count; ++i) {
    key.columns[i] = FindKeyColumn(analysis, top, request->key_columns[i]);
    key.names = i == 0 ? key.columns[i].name : psprintf("%s, %s", key.names, key.columns[i].name);
    key.nullable = key.nullable || key.columns[i].nullable;
  }
  return key;
}

void CheckKey(const Analysis* analysis, const Level* top, const Key* key) {
  bool traced = false, constant = true;
  for (int i = 0; i < key->count; ++i) {
    RefuseOptional(analysis, &key->columns[i]);
    traced = traced || HasColumns(analysis, key->columns[i].sources);
    constant = constant && key->columns[i].sources != nullptr;
  }
  if (traced || constant) {
    return;
  }
  const char* note = nullptr;
  for (int i = top->from; i < top->to && note == nullptr; ++i) {
    note = analysis->occurrences[i].note;
  }
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("key column \"%s\" of the TVIEW cannot be traced to a table: %s", key->names,
                                                                 note != nullptr ? note : "it is not an expression of one table's columns"),
                  errhint("Choose another key, or create the TVIEW with the option on_unkeyed => 'full' to have it refreshed as a whole.")));
}

void WarnOfNullKey(const Key* key) {
  for (int i = 0; i < key->count; ++i) {
    if (key->columns[i].nullable) {
      ereport(WARNING, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("key column \"%s\" of the TVIEW may become NULL", key->columns[i].name),
                        errdetail("Rows of the view without a key cannot be kept: they are parked, see pg_tview_parked_keys."),
                        errhint("Add \"WHERE ... IS NOT NULL\" to the query, or NOT NULL to the column it comes from.")));
    }
  }
}

}  // namespace tviews::lineage
