// The redefinition of a TVIEW before it begins: what it has to change, and the locks for that.
#include "catalog/replace_plan.h"

#include "catalog/internal_sql.h"
#include "catalog/lock_all.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"
#include "lineage/lineage.h"
#include "pg/owner_context.h"

namespace tviews::catalog {
namespace {

// As ChooseKey, before the view is there; without any of these the key stays.
bool MayChangeKey(const Replacing& self) {
  const Options& options = self.definition->options;
  const char* chosen = psprintf("pk_%s", EntityOf(get_rel_name(self.table)));
  if (options.key == nullptr && FindColumn(self.after, chosen) == nullptr) {
    chosen = "id";
  }
  if (options.key == nullptr && FindColumn(self.after, chosen) == nullptr) {
    return false;
  }
  return !SameNames(self.before.key, self.before.key_count, options.key != nullptr ? options.key : &chosen, options.key != nullptr ? options.key_count : 1);
}

// Another redefinition may make the view anew until it is locked.
void ReadLocked(Oid table, Registered* before) {
  Oid locked = InvalidOid;
  for (;;) {
    if (!ReadRegistered(table, before) || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table))) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("TVIEW was dropped concurrently")));
    }
    if (before->view == locked) {
      return;
    }
    locked = before->view;
    LockRelationOid(locked, AccessShareLock);
  }
}

void Plan(Replacing* self) {
  ReadLocked(self->table, &self->before);
  self->after = OidIsValid(self->definition->view) ? ColumnsOf(self->definition->view) : ColumnsOfQuery(self->query);
  self->view_step = PlanView(self->before.view, self->before.owns_view, *self->definition, self->after);
  self->reshaping = PlanReshaping(self->table, self->before.adopted, self->before.columns, true, self->after);
}

void Want(List** wanted, Oid relation, LOCKMODE mode) {
  WantedLock* lock = static_cast<WantedLock*>(palloc(sizeof(WantedLock)));
  *lock = {relation, mode};
  *wanted = lappend(*wanted, lock);
}

// Names in SQL functions mean what they will mean at a refresh.
List* RelationsOfQuery(const Replacing& self, List** views) {
  const pg::OwnerContext as_owner = pg::EnterOwner(pg::OwnerOf(self.table), self.definition->options.settings);
  List* relations = lineage::RelationsReadBy(self.query, views);
  pg::LeaveOwner(as_owner);
  return relations;
}

// Readers of the table go on unless it has to be altered; nobody else may hold a row of it.
List* WantedLocks(const Replacing& self) {
  List *wanted = NIL, *views = NIL;
  const List* relations = RelationsOfQuery(self, &views);
  const bool rewritten = self.view_step == ViewStep::kReplace || self.view_step == ViewStep::kRemake;
  if (list_member_oid(relations, self.table) || (rewritten && list_member_oid(views, self.before.view))) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION), errmsg("the query of TVIEW \"%s\" reads the TVIEW itself", get_rel_name(self.table)),
                    errhint("Read the base tables instead.")));
  }
  CheckRights(relations, pg::OwnerOf(self.table));
  List* members = NIL;
  const ListCell* cell;
  foreach (cell, relations) {
    members = list_concat_unique_oid(members, CaptureMembers(lfirst_oid(cell)));
  }
  foreach (cell, members) {
    Want(&wanted, lfirst_oid(cell), ShareRowExclusiveLock);
  }
  const bool alters = NeedsAlter(self.reshaping) || MayChangeKey(self) || ChangesPersistence(self.table, self.definition->options);
  Want(&wanted, self.table, alters ? AccessExclusiveLock : ExclusiveLock);
  if (self.before.owns_view && self.view_step != ViewStep::kKeep) {
    Want(&wanted, self.before.view, AccessExclusiveLock);
  }
  return wanted;
}

bool Covers(const List* locked, const WantedLock& lock) {
  const ListCell* cell;
  foreach (cell, locked) {
    const WantedLock* have = static_cast<const WantedLock*>(lfirst(cell));
    if (have->relation == lock.relation && have->mode >= lock.mode) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool GivesOption(const Options& options, const char* name) {
  JsonbValue buffer;
  return getKeyJsonValueFromContainer(&DatumGetJsonbP(options.json)->root, name, strlen(name), &buffer) != nullptr;
}

bool ChangesPersistence(Oid table, const Options& options) {
  return GivesOption(options, "unlogged") && options.unlogged != HasUnlogged(table);
}

void PlanAndLock(Replacing* self) {
  List* locked = NIL;
  for (;;) {
    Plan(self);
    const List* wanted = WantedLocks(*self);
    List* missing = NIL;
    const ListCell* cell;
    foreach (cell, wanted) {
      if (!Covers(locked, *static_cast<const WantedLock*>(lfirst(cell)))) {
        missing = lappend(missing, lfirst(cell));
      }
    }
    if (missing == NIL) {
      break;
    }
    LockAllWanted(missing);
    locked = list_concat(locked, missing);
  }
  List* views = NIL;
  List* objects = list_make1_oid(self->table);
  const List* relations = RelationsOfQuery(*self, &views);
  const ListCell* cell;
  foreach (cell, relations) {
    if (IsTviewTable(lfirst_oid(cell))) {
      objects = list_append_unique_oid(objects, lfirst_oid(cell));
    }
  }
  LockTviews(objects);
}

}  // namespace tviews::catalog
