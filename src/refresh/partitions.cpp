// The partition tree of a tv_ table: which leaf a row belongs to, and in which leaves a key can be.
//
// PostgreSQL's own routing (execPartition.c) raises when there is no partition and asks for the whole row; a search knows only the
// key, and often that is enough.
#include "refresh/partitions.h"

namespace tviews::refresh {

namespace {

struct Numbering {
  Target* target;
  List* branches;  // of Branch*
  List* leaves;    // of OID
};

// Do the columns of `table` (numbers, with the system columns' offset) all stand among `columns`?
bool Covered(const Bitmapset* used, const AttrNumber* columns, int count) {
  for (int member = -1; (member = bms_next_member(used, member)) >= 0;) {
    const AttrNumber number = static_cast<AttrNumber>(member + FirstLowInvalidHeapAttributeNumber);
    bool found = false;
    for (int i = 0; i < count && !found; ++i) {
      found = columns[i] == number;
    }
    if (!found) {
      return false;
    }
  }
  return true;
}

Bitmapset* PartitionColumns(PartitionKey key) {
  Bitmapset* used = nullptr;
  for (int i = 0; i < key->partnatts; ++i) {
    if (key->partattrs[i] != 0) {
      used = bms_add_member(used, key->partattrs[i] - FirstLowInvalidHeapAttributeNumber);
    }
  }
  pull_varattnos(reinterpret_cast<Node*>(key->partexprs), 1, &used);
  return used;
}

void PrepareRouting(const Target* target, Branch* branch) {
  branch->key = RelationGetPartitionKey(branch->table);
  branch->owned_columns = ColumnsOf(target, branch->table);
  AttrNumber* key_columns = static_cast<AttrNumber*>(palloc(target->tview->key_count * sizeof(AttrNumber)));
  for (int i = 0; i < target->tview->key_count; ++i) {
    key_columns[i] = branch->owned_columns[target->key_at[i]];
  }
  const Bitmapset* used = PartitionColumns(branch->key);
  branch->by_key = Covered(used, key_columns, target->tview->key_count);
  branch->by_owned = Covered(used, branch->owned_columns, target->owned);
  branch->slot = MakeSingleTupleTableSlot(RelationGetDescr(branch->table), &TTSOpsVirtual);
  branch->from_root = convert_tuples_by_name(RelationGetDescr(target->table), RelationGetDescr(branch->table));
  branch->evaluation = CreateStandaloneExprContext();
  ListCell* cell;
  foreach (cell, branch->key->partexprs) {
    branch->expressions = lappend(branch->expressions, ExecInitExpr(expression_planner(static_cast<Expr*>(lfirst(cell))), nullptr));
  }
}

int AddBranch(Numbering* numbering, Relation table) {
  Target* target = numbering->target;
  Branch* branch = static_cast<Branch*>(palloc0(sizeof(Branch)));
  const int number = list_length(numbering->branches);
  numbering->branches = lappend(numbering->branches, branch);
  branch->table = table;
  branch->parts = RelationGetPartitionDesc(table, true);
  branch->children = static_cast<int*>(palloc((branch->parts->nparts + 1) * sizeof(int)));
  PrepareRouting(target, branch);
  for (int i = 0; i < branch->parts->nparts; ++i) {
    const Oid part = branch->parts->oids[i];
    if (!branch->parts->is_leaf[i]) {
      branch->children[i] = ~AddBranch(numbering, table_open(part, target->lock));
      continue;
    }
    if (get_rel_relkind(part) == RELKIND_FOREIGN_TABLE) {
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("partition \"%s\" of TVIEW table \"%s\" is a foreign table", get_rel_name(part), RelationGetRelationName(target->table)),
                      errhint("Detach it; a TVIEW keeps its rows in tables of its own database.")));
    }
    branch->children[i] = list_length(numbering->leaves);
    numbering->leaves = lappend_oid(numbering->leaves, part);
  }
  return number;
}

// The partition key of a row in the branch's layout.
void KeyOfSlot(Branch* branch, TupleTableSlot* slot, Datum* values, bool* nulls) {
  branch->evaluation->ecxt_scantuple = slot;
  int next = 0;
  for (int i = 0; i < branch->key->partnatts; ++i) {
    const AttrNumber column = branch->key->partattrs[i];
    if (column != 0) {
      values[i] = slot_getattr(slot, column, &nulls[i]);
    } else {
      ExprState* expression = static_cast<ExprState*>(list_nth(branch->expressions, next++));
      values[i] = ExecEvalExprSwitchContext(expression, branch->evaluation, &nulls[i]);
    }
  }
}

bool AnyNull(const bool* nulls, int count) {
  for (int i = 0; i < count; ++i) {
    if (nulls[i]) {
      return true;
    }
  }
  return false;
}

// As get_partition_for_tuple().  -1: no partition accepts the key.
int PartitionOf(const Branch* branch, Datum* values, bool* nulls) {
  const PartitionKey key = branch->key;
  const PartitionBoundInfo bounds = branch->parts->boundinfo;
  int found = -1;
  bool equal = false;
  if (branch->parts->nparts == 0) {
    return -1;
  }
  switch (key->strategy) {
    case PARTITION_STRATEGY_HASH:
      found = bounds->indexes[compute_partition_hash_value(key->partnatts, key->partsupfunc, key->partcollation, values, nulls) % bounds->nindexes];
      break;
    case PARTITION_STRATEGY_LIST:
      if (nulls[0]) {
        found = bounds->null_index;
      } else {
        const int at = partition_list_bsearch(key->partsupfunc, key->partcollation, bounds, values[0], &equal);
        found = at >= 0 && equal ? bounds->indexes[at] : -1;
      }
      break;
    case PARTITION_STRATEGY_RANGE:
      if (!AnyNull(nulls, key->partnatts)) {
        found = bounds->indexes[partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds, key->partnatts, values, &equal) + 1];
      }
      break;
  }
  return found >= 0 ? found : bounds->default_index;
}

// The partition for a row in the branch's layout; -1: none.
int RouteSlot(Branch* branch, TupleTableSlot* slot) {
  Datum values[PARTITION_MAX_KEYS];
  bool nulls[PARTITION_MAX_KEYS];
  KeyOfSlot(branch, slot, values, nulls);
  const int found = PartitionOf(branch, values, nulls);
  ResetExprContext(branch->evaluation);
  return found;
}

// Puts owned-column values (`nulls` null: those of the key only) into the slot.
void FillSlot(const Target* target, Branch* branch, const Datum* values, const bool* nulls) {
  TupleTableSlot* slot = branch->slot;
  ExecClearTuple(slot);
  memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
  const int count = nulls != nullptr ? target->owned : target->tview->key_count;
  for (int i = 0; i < count; ++i) {
    const int place = nulls != nullptr ? i : target->key_at[i];
    const int at = branch->owned_columns[place] - 1;
    slot->tts_values[at] = values[place];
    slot->tts_isnull[at] = nulls != nullptr && nulls[place];
  }
  ExecStoreVirtualTuple(slot);
}

[[noreturn]] void RaiseNoPartition(Branch* branch, TupleTableSlot* row) {
  Datum values[PARTITION_MAX_KEYS];
  bool nulls[PARTITION_MAX_KEYS];
  KeyOfSlot(branch, row, values, nulls);
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < branch->key->partnatts; ++i) {
    Oid output;
    bool varlena;
    getTypeOutputInfo(branch->key->parttypid[i], &output, &varlena);
    appendStringInfo(&text, "%s%s", i > 0 ? ", " : "", nulls[i] ? "null" : OidOutputFunctionCall(output, values[i]));
  }
  ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION), errmsg("no partition of relation \"%s\" found for row", RelationGetRelationName(branch->table)),
                  errdetail("Partition key of the failing row contains (%s) = (%s).", pg_get_partkeydef_columns(RelationGetRelid(branch->table), true),
                            text.data),
                  errtable(branch->table)));
  pg_unreachable();
}

int CollectLeaves(const Target* target, Branch* branch, const Datum* values, int* leaves, int count) {
  int only = -1;
  if (branch->by_key) {
    FillSlot(target, branch, values, nullptr);
    only = RouteSlot(branch, branch->slot);
    if (only < 0) {
      return count;
    }
  }
  for (int i = only >= 0 ? only : 0; i < (only >= 0 ? only + 1 : branch->parts->nparts); ++i) {
    const int child = branch->children[i];
    if (child >= 0) {
      leaves[count++] = child;
    } else {
      count = CollectLeaves(target, &target->branches[~child], values, leaves, count);
    }
  }
  return count;
}

}  // namespace

void OpenPartitions(Target* target) {
  Numbering numbering = {target, NIL, NIL};
  AddBranch(&numbering, target->table);
  target->branch_count = list_length(numbering.branches);
  target->branches = static_cast<Branch*>(palloc(target->branch_count * sizeof(Branch)));
  for (int i = 0; i < target->branch_count; ++i) {
    target->branches[i] = *static_cast<const Branch*>(list_nth(numbering.branches, i));
  }
  target->leaf_count = list_length(numbering.leaves);
  target->leaves = static_cast<Leaf*>(palloc0((target->leaf_count + 1) * sizeof(Leaf)));
  for (int i = 0; i < target->leaf_count; ++i) {
    target->leaves[i].oid = list_nth_oid(numbering.leaves, i);
  }
}

void ClosePartitions(Target* target) {
  for (int i = 0; i < target->branch_count; ++i) {
    Branch* branch = &target->branches[i];
    FreeExprContext(branch->evaluation, true);
    ExecDropSingleTupleTableSlot(branch->slot);
    if (i > 0) {
      table_close(branch->table, NoLock);
    }
  }
}

AttrNumber* ColumnsOf(const Target* target, Relation relation) {
  if (relation == target->table) {
    return target->tview->owned_columns;
  }
  AttrNumber* columns = static_cast<AttrNumber*>(palloc(target->owned * sizeof(AttrNumber)));
  for (int i = 0; i < target->owned; ++i) {
    columns[i] = get_attnum(RelationGetRelid(relation), NameStr(TupleDescAttr(target->row, i)->attname));
    if (columns[i] <= 0) {
      elog(ERROR, "column %d of TVIEW \"%s\" is not in \"%s\"", i, target->tview->entity, RelationGetRelationName(relation));
    }
  }
  return columns;
}

int LeafOfRow(const Target* target, TupleTableSlot* row) {
  if (target->branch_count == 0) {
    return 0;
  }
  for (int number = 0;;) {
    Branch* branch = &target->branches[number];
    TupleTableSlot* slot = branch->from_root == nullptr ? row : execute_attr_map_slot(branch->from_root->attrMap, row, branch->slot);
    const int found = RouteSlot(branch, slot);
    if (found < 0) {
      RaiseNoPartition(branch, slot);
    }
    if (branch->children[found] >= 0) {
      return branch->children[found];
    }
    number = ~branch->children[found];
  }
}

int LeafOfValues(const Target* target, const Datum* values, const bool* nulls) {
  if (target->branch_count == 0) {
    return 0;
  }
  for (int number = 0;;) {
    Branch* branch = &target->branches[number];
    if (!branch->by_owned) {
      return -1;
    }
    FillSlot(target, branch, values, nulls);
    const int found = RouteSlot(branch, branch->slot);
    if (found < 0) {
      return -1;
    }
    if (branch->children[found] >= 0) {
      return branch->children[found];
    }
    number = ~branch->children[found];
  }
}

int LeavesOfKey(const Target* target, const Datum* values, int* leaves) {
  if (target->branch_count == 0) {
    leaves[0] = 0;
    return 1;
  }
  return CollectLeaves(target, &target->branches[0], values, leaves, 0);
}

}  // namespace tviews::refresh
