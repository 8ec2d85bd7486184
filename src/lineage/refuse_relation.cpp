// Relations that no TVIEW can keep fresh: their rows change without a captured change, or are not the same for everybody.
#include "lineage/analysis.h"
#include "pg/extension.h"

namespace tviews::lineage {

namespace {

constexpr const char* kForeignHint = "Changes on the remote side cannot be captured. Replicate the table here, or read it at query time from a view over the TVIEW.";

[[noreturn]] void RefuseRelation(Oid relation, const char* what, const char* hint, Oid parent = InvalidOid) {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot read %s %s", what, QualifiedName(relation)),
                  OidIsValid(parent) ? errdetail("It is a partition or child of %s.", QualifiedName(parent)) : 0, errhint("%s", hint)));
}

void CheckMembers(Oid root) {
  List* members = find_all_inheritors(root, AccessShareLock, nullptr);
  ListCell* cell;
  foreach (cell, members) {
    const Oid member = lfirst_oid(cell);
    if (get_rel_relkind(member) == RELKIND_FOREIGN_TABLE) {
      RefuseRelation(member, "foreign table", kForeignHint, root);
    }
    if (get_rel_persistence(member) == RELPERSISTENCE_TEMP) {
      RefuseRelation(member, "temporary table", "Use an ordinary table.", root);
    }
  }
}

// As whom a refresh reads the relation.
Oid ReaderOf(const Analysis* analysis, const Query* query, const RangeTblEntry* entry) {
#if PG_VERSION_NUM >= 160000
  const Oid user = entry->perminfoindex > 0 ? getRTEPermissionInfo(query->rteperminfos, const_cast<RangeTblEntry*>(entry))->checkAsUser : InvalidOid;
#else
  const Oid user = entry->checkAsUser;
#endif
  return OidIsValid(user) ? user : analysis->reader;
}

// A policy may read other tables or the session, and may be altered: rows would come and go without a captured change.
void CheckPolicies(const Analysis* analysis, const Query* query, const RangeTblEntry* entry) {
  const Oid reader = ReaderOf(analysis, query, entry);
  if (check_enable_rls(entry->relid, reader, true) == RLS_ENABLED) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot read table %s through its row-level security policies", QualifiedName(entry->relid)),
                    errdetail("They apply to role \"%s\", as whom the TVIEW would read it.", GetUserNameFromId(reader, false)),
                    errhint("Have the TVIEW owned by the owner of the table or by a role with BYPASSRLS, and put policies on the TVIEW's own table.")));
  }
}

}  // namespace

const char* QualifiedName(Oid relation) {
  const char* name = get_rel_name(relation);
  if (name == nullptr) {
    elog(ERROR, "cache lookup failed for relation %u", relation);
  }
  return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name);
}

void CheckRelation(const Analysis* analysis, const Query* query, const RangeTblEntry* entry) {
  const Oid relation = entry->relid;
  if (entry->tablesample != nullptr) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot use TABLESAMPLE (on %s)", QualifiedName(relation)),
                    errhint("Choose rows by a condition on their columns.")));
  }
  if (relation < FirstNormalObjectId) {
    RefuseRelation(relation, entry->relkind == RELKIND_VIEW ? "system view" : "system catalog",
                   "Changes of system catalogs cannot be captured. Read it at query time from a view over the TVIEW.");
  }
  LockRelationOid(relation, AccessShareLock);
  const char kind = get_rel_relkind(relation);
  if (kind == '\0') {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u was dropped meanwhile", relation)));
  }
  if (get_rel_persistence(relation) == RELPERSISTENCE_TEMP) {
    RefuseRelation(relation, kind == RELKIND_VIEW ? "temporary view" : "temporary table", "Use an ordinary one.");
  }
  switch (kind) {
    case RELKIND_VIEW:
      return;
    case RELKIND_RELATION:
    case RELKIND_PARTITIONED_TABLE: {
      const Oid extension = pg::ExtensionOid();
      if (OidIsValid(extension) && getExtensionOfObject(RelationRelationId, relation) == extension) {
        RefuseRelation(relation, "table of pg_tviews itself", "Read the monitoring views at query time.");
      }
      if (entry->inh) {
        CheckMembers(relation);
      }
      CheckPolicies(analysis, query, entry);
      return;
    }
    case RELKIND_MATVIEW:
      RefuseRelation(relation, "materialized view", "REFRESH MATERIALIZED VIEW is not captured. Make it a TVIEW, or use its query as a plain view.");
    case RELKIND_FOREIGN_TABLE:
      RefuseRelation(relation, "foreign table", kForeignHint);
    case RELKIND_SEQUENCE:
      RefuseRelation(relation, "sequence", "Sequences change without a trigger. Store the number in a column of a base table.");
    default:
      RefuseRelation(relation, "relation", "Only tables and views can be read.");
  }
}

}  // namespace tviews::lineage
