// The view of a TVIEW that is redefined.
#include "catalog/replace_view.h"

#include "catalog/internal_sql.h"
#include "pg/owner_context.h"

namespace tviews::catalog {
namespace {

// What a view that is made anew takes over from the old one.
struct Belongings {
  const char* comment;
  Acl* rights;
  int count;
  const char** columns;
  Acl** column_rights;
  const char** column_comments;
};

Acl* CopiedAcl(bool is_null, Datum acl) { return is_null ? nullptr : DatumGetAclPCopy(acl); }

Belongings TakeBelongings(Oid view) {
  Belongings taken = {};
  bool is_null;
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(view));
  const Datum rights = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &is_null);
  taken.rights = CopiedAcl(is_null, rights);
  ReleaseSysCache(tuple);
  taken.comment = GetComment(view, RelationRelationId, 0);
  const Columns columns = ColumnsOf(view);
  taken.columns = static_cast<const char**>(palloc(sizeof(char*) * (columns.count + 1)));
  taken.column_rights = static_cast<Acl**>(palloc(sizeof(Acl*) * (columns.count + 1)));
  taken.column_comments = static_cast<const char**>(palloc(sizeof(char*) * (columns.count + 1)));
  for (int i = 0; i < columns.count; ++i) {
    tuple = SearchSysCacheAttName(view, columns.items[i].name);
    const AttrNumber number = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple))->attnum;
    const Datum acl = SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attacl, &is_null);
    taken.columns[i] = columns.items[i].name;
    taken.column_rights[i] = CopiedAcl(is_null, acl);
    taken.column_comments[i] = GetComment(view, RelationRelationId, number);
    ReleaseSysCache(tuple);
    ++taken.count;
  }
  return taken;
}

// In place of what default privileges gave it.
void SetRights(Relation catalog, HeapTuple tuple, AttrNumber place, Oid view, AttrNumber column, Oid owner, bool had, Datum present, Acl* rights) {
  Datum values[Max(Natts_pg_class, Natts_pg_attribute)] = {};
  bool nulls[Max(Natts_pg_class, Natts_pg_attribute)] = {};
  bool replaces[Max(Natts_pg_class, Natts_pg_attribute)] = {};
  values[place - 1] = PointerGetDatum(rights);
  nulls[place - 1] = rights == nullptr;
  replaces[place - 1] = true;
  Oid *before = nullptr, *after = nullptr;
  const int before_count = had ? aclmembers(DatumGetAclPCopy(present), &before) : 0;
  const int after_count = rights == nullptr ? 0 : aclmembers(rights, &after);
  HeapTuple changed = heap_modify_tuple(tuple, RelationGetDescr(catalog), values, nulls, replaces);
  CatalogTupleUpdate(catalog, &changed->t_self, changed);
  updateAclDependencies(RelationRelationId, view, column, owner, before_count, before, after_count, after);
  CommandCounterIncrement();
}

void GiveBelongings(Oid view, const Belongings& taken) {
  bool is_null;
  const Oid owner = pg::OwnerOf(view);
  Relation classes = table_open(RelationRelationId, RowExclusiveLock);
  HeapTuple tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(view));
  Datum present = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &is_null);
  SetRights(classes, tuple, Anum_pg_class_relacl, view, 0, owner, !is_null, present, taken.rights);
  table_close(classes, RowExclusiveLock);
  CreateComments(view, RelationRelationId, 0, taken.comment);
  Relation attributes = table_open(AttributeRelationId, RowExclusiveLock);
  for (int i = 0; i < taken.count; ++i) {
    const AttrNumber number = get_attnum(view, taken.columns[i]);
    if (number <= 0) {
      continue;
    }
    if (taken.column_rights[i] != nullptr) {
      tuple = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(view), Int16GetDatum(number));
      present = SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attacl, &is_null);
      SetRights(attributes, tuple, Anum_pg_attribute_attacl, view, number, owner, !is_null, present, taken.column_rights[i]);
    }
    if (taken.column_comments[i] != nullptr) {
      CreateComments(view, RelationRelationId, number, taken.column_comments[i]);
    }
  }
  table_close(attributes, RowExclusiveLock);
  CommandCounterIncrement();
}

// Triggers, rules and defaults on the view itself: they would go with it without a word.
void CheckNothingOnView(Oid view) {
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql(
      "SELECT string_agg(what, ', ') FROM (SELECT 'trigger ' || quote_ident(tgname) FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal"
      " UNION ALL SELECT 'rule ' || quote_ident(rulename) FROM pg_rewrite WHERE ev_class = $1 AND rulename <> '_RETURN'"
      " UNION ALL SELECT 'default of column ' || quote_ident(attname) FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = $1) x(what)",
      {OidArgument(view)});
  bool is_null;
  const Datum found = ResultDatum(0, 1, &is_null);
  if (!is_null) {
    const char* what = TextDatumGetCString(found);
    ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST), errmsg("view \"%s\" has to be made anew, but has %s", get_rel_name(view), what),
                    errhint("Drop it first, or keep the columns of the query and their types and only add others.")));
  }
  LeaveSql(context);
}

// Puts a HINT that fits in the place of the server's, which recommends CASCADE.
void HintDependants(void*) {
  if (geterrcode() == ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST) {
    errhint("Drop or change what depends on the view first, or keep the columns of the query and their types and only add others.");
  }
}

void DropView(Oid table, Oid view) {
  CheckNothingOnView(view);
  deleteDependencyRecordsForSpecific(RelationRelationId, table, DEPENDENCY_NORMAL, RelationRelationId, view);
  CommandCounterIncrement();
  ErrorContextCallback callback = {error_context_stack, HintDependants, nullptr};
  error_context_stack = &callback;
  const SqlContext context = EnterSql(pg::OwnerOf(view));
  RunUtility(psprintf("DROP VIEW %s", QualifiedName(view)));
  LeaveSql(context);
  error_context_stack = callback.previous;
  CommandCounterIncrement();
}

// " WITH (security_barrier=true)", or nothing.
const char* OptionsText(Oid view) {
  bool is_null;
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(view));
  const Datum options = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_reloptions, &is_null);
  StringInfoData with;
  initStringInfo(&with);
  Datum* items = nullptr;
  int count = 0;
  if (!is_null) {
    deconstruct_array(DatumGetArrayTypePCopy(options), TEXTOID, -1, false, TYPALIGN_INT, &items, nullptr, &count);
  }
  ReleaseSysCache(tuple);
  for (int i = 0; i < count; ++i) {
    appendStringInfo(&with, "%s%s", i > 0 ? ", " : " WITH (", TextDatumGetCString(items[i]));
  }
  if (count > 0) {
    appendStringInfoChar(&with, ')');
  }
  return with.data;
}

void RequireOwner(Oid view) {
  if (!pg_class_ownercheck(view, GetUserId())) {
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(view));
  }
}

// The view keeps its name, which the user may have changed, and its owner.
Oid Write(Oid table, Oid view, bool anew, const char* query) {
  const char* name = QualifiedName(view);
  const char* relation = get_rel_name(view);
  const Oid schema = get_rel_namespace(view), owner = pg::OwnerOf(view);
  const char* sql = psprintf("CREATE OR REPLACE VIEW %s%s AS %s", name, OptionsText(view), query);
  Belongings belongings = {};
  if (anew) {
    belongings = TakeBelongings(view);
    DropView(table, view);
  }
  const SqlContext context = EnterSql(owner);
  RunUtility(sql);
  LeaveSql(context);
  CommandCounterIncrement();
  const Oid written = get_relname_relid(relation, schema);
  if (anew) {
    GiveBelongings(written, belongings);
  }
  return written;
}

}  // namespace

ViewStep PlanView(Oid view, bool owns_view, const NewTview& definition, const Columns& after) {
  if (OidIsValid(definition.view)) {
    return definition.view == view ? ViewStep::kKeep : ViewStep::kExchange;
  }
  if (!owns_view) {
    return ViewStep::kMake;
  }
  const Columns before = ColumnsOf(view);
  for (int i = 0; i < before.count; ++i) {
    const Column &was = before.items[i], &is = after.items[i];
    if (i >= after.count || strcmp(was.name, is.name) != 0 || was.type != is.type || was.typmod != is.typmod || was.collation != is.collation) {
      return ViewStep::kRemake;
    }
  }
  return ViewStep::kReplace;
}

void ChangeView(Building* building, ViewStep step, Oid view, bool owns_view) {
  const NewTview* definition = building->definition;
  NewTview made = *definition;
  if (owns_view && step != ViewStep::kKeep) {
    RequireOwner(view);
  }
  if (step == ViewStep::kReplace || step == ViewStep::kRemake) {
    made.view = Write(building->table, view, step == ViewStep::kRemake, definition->query);
  }
  building->definition = &made;
  MakeView(building);
  CommandCounterIncrement();
  building->definition = definition;
  building->owns_view = step == ViewStep::kMake || (owns_view && step != ViewStep::kExchange);
  if (building->view == view) {
    return;
  }
  const ObjectAddress table_address = {RelationRelationId, building->table, 0}, view_address = {RelationRelationId, building->view, 0};
  recordDependencyOn(&table_address, &view_address, DEPENDENCY_NORMAL);
  if (step == ViewStep::kExchange && owns_view) {
    DropView(building->table, view);
  } else if (step != ViewStep::kRemake) {
    deleteDependencyRecordsForSpecific(RelationRelationId, building->table, DEPENDENCY_NORMAL, RelationRelationId, view);
  }
}

}  // namespace tviews::catalog
