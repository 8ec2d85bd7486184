// The capture triggers.
#include "catalog/triggers.h"

#include "catalog/graph.h"
#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/rows.h"

namespace tviews::catalog {

Oid RowHost(Oid relation) {
  if (!get_rel_relispartition(relation)) {
    return relation;
  }
  List* ancestors = get_partition_ancestors(relation);
  return ancestors == NIL ? relation : llast_oid(ancestors);
}

namespace {

const char* RowTriggerName(Oid host) { return get_rel_relkind(host) == RELKIND_PARTITIONED_TABLE ? kRootTrigger : kRowTrigger; }

bool Exists(Oid relation) { return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)); }

// Sets an existing trigger to ALWAYS; true when it had been something else.
bool Arm(Oid trigger) {
  Relation triggers = table_open(TriggerRelationId, RowExclusiveLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(trigger));
  SysScanDesc scan = systable_beginscan(triggers, TriggerOidIndexId, true, nullptr, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  bool changed = false;
  if (HeapTupleIsValid(tuple) && reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple))->tgenabled != TRIGGER_FIRES_ALWAYS) {
    HeapTuple copy = heap_copytuple(tuple);
    Form_pg_trigger form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(copy));
    form->tgenabled = TRIGGER_FIRES_ALWAYS;
    CatalogTupleUpdate(triggers, &copy->t_self, copy);
    CacheInvalidateRelcacheByRelid(form->tgrelid);
    changed = true;
  }
  systable_endscan(scan);
  table_close(triggers, RowExclusiveLock);
  if (changed) {
    CommandCounterIncrement();
  }
  return changed;
}

// As the extension's owner: the user needs no right on the function, and TRIGGER on the table was checked before.
// `arguments` replace those of an existing trigger.
void CreateOne(Oid relation, const char* name, bool row, List* arguments) {
  const Oid existing = get_trigger_oid(relation, name, true);
  if (OidIsValid(existing) && arguments == NIL) {
    Arm(existing);
    return;
  }
  CreateTrigStmt* statement = makeNode(CreateTrigStmt);
  statement->replace = OidIsValid(existing);
  statement->trigname = pstrdup(name);
  statement->relation = makeRangeVar(get_namespace_name(get_rel_namespace(relation)), get_rel_name(relation), -1);
  statement->funcname = list_make2(makeString(get_namespace_name(pg::ExtensionSchemaOid())), makeString(pstrdup("pg_tviews_capture")));
  statement->args = arguments;
  statement->row = row;
  statement->timing = TRIGGER_TYPE_AFTER;
  statement->events = row ? TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE : TRIGGER_TYPE_TRUNCATE;
  Oid user;
  int security;
  GetUserIdAndSecContext(&user, &security);
  SetUserIdAndSecContext(ExtensionOwner(), security | SECURITY_LOCAL_USERID_CHANGE);
  CreateTriggerFiringOn(statement, nullptr, relation, InvalidOid, InvalidOid, InvalidOid, InvalidOid, InvalidOid, nullptr, false, false,
                        TRIGGER_FIRES_ALWAYS);
  SetUserIdAndSecContext(user, security);
  CommandCounterIncrement();
}

void DropOne(Oid relation, const char* name) {
  const Oid trigger = get_trigger_oid(relation, name, true);
  if (!OidIsValid(trigger)) {
    return;
  }
  const ObjectAddress address = {TriggerRelationId, trigger, 0};
  performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
  CommandCounterIncrement();
}

// Does any TVIEW read this very relation?
bool IsRead(Oid relation) {
  RowScan scan = OpenRowsByKey(pg::Table::kRelation, kRelationByRelation, relation_column::kRelation, ObjectIdGetDatum(relation), true, nullptr);
  const bool found = NextRow(&scan);
  CloseRows(&scan);
  return found;
}

// Foreign partitions hold nothing that capture could see.
bool CanCarry(Oid relation) {
  const char kind = get_rel_relkind(relation);
  return kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE;
}

}  // namespace

Oid TviewOf(Oid relation) {
  const Oid host = RowHost(relation);
  return IsTviewTable(host) ? host : InvalidOid;
}

bool IsCaptured(Oid relation) {
  const List* relations = SelfAndAncestors(relation);
  ListCell* cell;
  foreach (cell, relations) {
    if (IsRead(lfirst_oid(cell))) {
      return true;
    }
  }
  return false;
}

char RowTriggerState(Oid relation) {
  char state = 0;
  Relation triggers = table_open(TriggerRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
  SysScanDesc scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, nullptr, 1, &key);
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    const Form_pg_trigger form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
    if (strncmp(NameStr(form->tgname), kRowTrigger, strlen(kRowTrigger)) == 0 && state != TRIGGER_DISABLED) {
      state = form->tgenabled == TRIGGER_FIRES_ALWAYS && state != 0 ? state : form->tgenabled;  // the worst of them
    }
  }
  systable_endscan(scan);
  table_close(triggers, AccessShareLock);
  return state;
}

bool IsCaptureOff(Oid tview) {
  const List* sources = lcons_oid(tview, RelationsOf(tview));
  const ListCell* source;
  foreach (source, sources) {
    const List* members = find_all_inheritors(lfirst_oid(source), NoLock, nullptr);
    const ListCell* member;
    foreach (member, members) {
      const char state = RowTriggerState(lfirst_oid(member));
      if (state != 0 && state != TRIGGER_FIRES_ALWAYS) {
        return true;
      }
    }
  }
  return false;
}

List* CaptureMembers(Oid relation) {
  List* members = find_all_inheritors(RowHost(relation), NoLock, nullptr);
  list_sort(members, list_oid_cmp);
  return members;
}

void EnsureCaptureTriggers(Oid relation) {
  const bool in_partition_tree = get_rel_relispartition(relation) || get_rel_relkind(relation) == RELKIND_PARTITIONED_TABLE;
  if (in_partition_tree) {
    const Oid host = RowHost(relation);
    if (!IsTviewTable(host)) {
      CreateOne(host, RowTriggerName(host), true, NIL);
    }
    const List* tree = CaptureMembers(relation);
    ListCell* cell;
    foreach (cell, tree) {  // clones: ALWAYS may have been lost
      const Oid clone = get_trigger_oid(lfirst_oid(cell), kRootTrigger, true);
      if (OidIsValid(clone)) {
        Arm(clone);
        if (lfirst_oid(cell) != host && !IsTviewTable(lfirst_oid(cell))) {
          DropOne(lfirst_oid(cell), kRowTrigger);  // from before it was attached
        }
      }
    }
  }
  const List* members = find_all_inheritors(relation, NoLock, nullptr);
  ListCell* cell;
  foreach (cell, members) {
    if (!CanCarry(lfirst_oid(cell))) {
      continue;
    }
    if (!in_partition_tree) {
      CreateOne(lfirst_oid(cell), kRowTrigger, true, NIL);
    }
    CreateOne(lfirst_oid(cell), kTruncateTrigger, false, NIL);
  }
}

void CreateTviewTriggers(Oid table, const char* view, const char* key, const char* options, bool owns_view, bool adopted) {
  const char* texts[] = {view, key, options, owns_view ? "made" : "adopted", adopted ? "adopted" : "made"};
  List* arguments = NIL;
  for (const char* text : texts) {
    arguments = lappend(arguments, makeString(pstrdup(text)));
  }
  if (get_rel_relkind(table) != RELKIND_PARTITIONED_TABLE) {
    CreateOne(table, kRowTrigger, true, arguments);
    CreateOne(table, kTruncateTrigger, false, NIL);
    return;
  }
  DropOne(table, kRootTrigger);  // a trigger with clones cannot be replaced
  CreateOne(table, kRootTrigger, true, arguments);
  EnsureCaptureTriggers(table);
}

void RemoveTviewTriggers(Oid table) {
  RemoveRowTriggers(table);
  if (IsCaptured(table)) {
    EnsureCaptureTriggers(table);
  } else {
    RemoveUnneededTriggers(table);
  }
}

void RemoveRowTriggers(Oid relation) {
  if (!IsTviewTable(relation)) {
    DropOne(relation, kRowTrigger);
    DropOne(relation, kRootTrigger);
  }
}

void RemoveUnneededTriggers(Oid relation) {
  if (!Exists(relation)) {
    return;
  }
  const Oid host = RowHost(relation);
  if (IsTviewTable(host)) {
    return;  // they are the TVIEW's own
  }
  const List* members = CaptureMembers(relation);
  bool tree_is_read = false;
  ListCell* cell;
  foreach (cell, members) {
    const Oid member = lfirst_oid(cell);
    if (IsCaptured(member)) {
      tree_is_read = true;
    } else {
      DropOne(member, kTruncateTrigger);
      if (member != host || get_rel_relkind(host) != RELKIND_PARTITIONED_TABLE) {
        DropOne(member, kRowTrigger);
      }
    }
  }
  if (!tree_is_read) {
    DropOne(host, kRootTrigger);
  }
}

}  // namespace tviews::catalog
