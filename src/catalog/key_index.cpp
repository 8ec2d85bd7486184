// The index by which the stored rows of a TVIEW are found.
#include "catalog/key_index.h"

#include "catalog/graph.h"

namespace tviews::catalog {
namespace {

bool Contains(const AttrNumber* columns, int count, AttrNumber column) {
  for (int i = 0; i < count; ++i) {
    if (columns[i] == column) {
      return true;
    }
  }
  return false;
}

// Are the first columns of the index those of the key, and every row in it?
bool LedBy(Relation index, const AttrNumber* key, int key_count) {
  const Form_pg_index form = index->rd_index;
  if (!form->indisvalid || index->rd_rel->relam != BTREE_AM_OID || form->indnkeyatts < key_count || RelationGetIndexPredicate(index) != NIL) {
    return false;
  }
  for (int i = 0; i < key_count; ++i) {
    if (!Contains(key, key_count, form->indkey.values[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool CanBeUnique(Oid table, const AttrNumber* key, int key_count) {
  bool all = true;
  const List* members = get_rel_relkind(table) == RELKIND_PARTITIONED_TABLE ? find_all_inheritors(table, AccessShareLock, nullptr) : NIL;
  const ListCell* cell;
  foreach (cell, members) {
    if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_PARTITIONED_TABLE) {
      continue;
    }
    Relation relation = relation_open(lfirst_oid(cell), NoLock);
    const PartitionKey partition = RelationGetPartitionKey(relation);
    for (int i = 0; i < partition->partnatts; ++i) {
      const AttrNumber column = partition->partattrs[i];  // 0: an expression
      all = all && column != 0 && Contains(key, key_count, get_attnum(table, get_attname(lfirst_oid(cell), column, false)));
    }
    relation_close(relation, NoLock);
  }
  return all;
}

Oid FindKeyAccess(Oid table, const AttrNumber* key, int key_count) {
  if (CanBeUnique(table, key, key_count)) {
    return FindKeyIndex(table, key, key_count);
  }
  Oid found = InvalidOid;
  Relation relation = relation_open(table, AccessShareLock);
  const List* indexes = RelationGetIndexList(relation);
  const ListCell* cell;
  foreach (cell, indexes) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    if (!OidIsValid(found) && LedBy(index, key, key_count)) {
      found = lfirst_oid(cell);
    }
    index_close(index, NoLock);
  }
  relation_close(relation, NoLock);
  return found;
}

}  // namespace tviews::catalog
