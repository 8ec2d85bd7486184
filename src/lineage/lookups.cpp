// By what rows are looked up along the paths of a TVIEW: towards the key by its mapping queries, away from it by its view.
#include "lineage/paths.h"

namespace tviews::lineage {

namespace {

// Can an index hold the expression and be used for the comparison?
bool CanBeIndexed(const Node* part, Match match) {
  return contain_var_clause(const_cast<Node*>(part)) && !contain_mutable_functions(const_cast<Node*>(part)) &&
         OidIsValid(GetDefaultOpClass(getBaseType(exprType(part)), match == Match::kHolds ? GIN_AM_OID : BTREE_AM_OID));
}

// The expression as CREATE INDEX writes it.
const char* IndexColumn(Oid relation, const Node* part) {
  const char* text = deparse_expression(static_cast<Node*>(copyObjectImpl(part)), deparse_context_for(get_rel_name(relation), relation), false, true);
  return IsA(part, Var) ? text : psprintf("(%s)", text);
}

void Add(List** missing, Oid relation, Match match, const char* columns, bool mapping) {
  ListCell* cell;
  foreach (cell, *missing) {
    const MissingIndex* known = static_cast<const MissingIndex*>(lfirst(cell));
    if (known->relation == relation && known->gin == (match == Match::kHolds) && strcmp(known->columns, columns) == 0) {
      return;
    }
  }
  MissingIndex* added = static_cast<MissingIndex*>(palloc(sizeof(MissingIndex)));
  *added = {relation, columns, match == Match::kHolds, mapping};
  *missing = lappend(*missing, added);
}

// An index led by any part of a value serves, for the other parts are compared then.
void Look(const Analysis* analysis, int32 number, Match match, bool mapping, List** missing) {
  const Value* value = &analysis->values[number];
  const Oid relation = analysis->occurrences[value->occurrence].relation;
  if (!OidIsValid(relation)) {
    return;
  }
  StringInfoData columns;
  initStringInfo(&columns);
  ListCell* cell;
  foreach (cell, value->expressions) {
    const Node* part = static_cast<const Node*>(lfirst(cell));
    const Node* text = TextOfInverse(part);
    part = text != nullptr ? text : part;  // the view itself compares as text
    if (!CanBeIndexed(part, match)) {
      continue;
    }
    if (Access(relation, part, match) > 0) {
      return;
    }
    appendStringInfo(&columns, "%s%s", columns.len > 0 ? ", " : "", IndexColumn(relation, part));
  }
  if (columns.len > 0) {
    Add(missing, relation, match, columns.data, mapping);
  }
}

// A part of the key is completed from the stored rows that have it.
void LookInStored(const Key* key, const Root* root, List** missing) {
  if (!OidIsValid(key->table) || root->count == key->count) {
    return;
  }
  StringInfoData columns;
  initStringInfo(&columns);
  for (int i = 0; i < root->count; ++i) {
    const char* name = key->columns[root->columns[i]].name;
    const AttrNumber number = get_attnum(key->table, name);
    Oid type, collation;
    int32 typmod;
    get_atttypetypmodcoll(key->table, number, &type, &typmod, &collation);
    const Var* column = makeVar(1, number, type, typmod, collation, 0);
    if (Access(key->table, reinterpret_cast<const Node*>(column), Match::kEqual) > 0) {
      return;
    }
    appendStringInfo(&columns, "%s%s", i > 0 ? ", " : "", quote_identifier(name));
  }
  Add(missing, key->table, Match::kEqual, columns.data, true);
}

// `view`: the view looks up rows the other way, too.
void LookAlong(const Analysis* analysis, const Solution* solution, bool view, List** missing) {
  for (int i = 0; i < analysis->solved_count; ++i) {
    const core::OccurrencePath* path = &solution->found.paths[i];
    if (path->kind == core::PathKind::kNone) {
      continue;
    }
    const core::LineageStep* steps = solution->found.steps + path->first_step;
    for (int s = 0; s < path->step_count; ++s) {
      Look(analysis, steps[s].match_value, analysis->edge_infos[steps[s].edge_tag].match, true, missing);
    }
    // "x = ANY (array)" of the view finds no rows by an index on the array.
    if (view && (path->step_count == 0 || analysis->edge_infos[steps[0].edge_tag].match != Match::kElement)) {
      Look(analysis, path->capture_value, Match::kEqual, false, missing);
    }
  }
}

}  // namespace

List* UnindexedLookups(const Analysis* analysis, const Solution* solution, const Key* key, const List* crossings) {
  List* missing = NIL;
  LookAlong(analysis, solution, true, &missing);
  for (int i = 0; i < analysis->solved_count; ++i) {
    if (solution->found.paths[i].kind != core::PathKind::kNone) {
      LookInStored(key, &solution->roots[solution->found.paths[i].root], &missing);
    }
  }
  const ListCell* cell;
  foreach (cell, crossings) {
    const Crossing* crossing = static_cast<const Crossing*>(lfirst(cell));
    if (crossing->ways == NIL) {
      continue;
    }
    LookAlong(analysis, &crossing->solution, false, &missing);
    if (crossing->key.count > 1) {
      const Target* source = crossing->key.columns[0].sources;
      Look(analysis, crossing->solution.found.paths[source->occurrence].capture_value, Match::kEqual, true, &missing);
      continue;
    }
    for (const Target* source = crossing->key.columns[0].sources; source != nullptr; source = source->next) {
      Look(analysis, source->value, Match::kEqual, true, &missing);
    }
  }
  return missing;
}

}  // namespace tviews::lineage
