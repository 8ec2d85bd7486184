// The text of the statements that recompute a TVIEW's rows.
#include "refresh/forms.h"

namespace tviews::refresh {

namespace {

const char* ColumnText(Oid relation, AttrNumber column) { return quote_identifier(get_attname(relation, column, false)); }

// The value as an assignment would store it: an explicit cast to varchar(n) and its like would cut what is too long.
void AppendCast(StringInfo text, const char* value, Oid type, int32 typmod) {
  int32 base_typmod = typmod;
  const Oid base = getBaseTypeAndTypmod(type, &base_typmod);
  Oid function;
  if (base != type) {
    appendStringInfoString(text, "CAST(");
    AppendCast(text, value, base, base_typmod);
    appendStringInfo(text, " AS %s)", format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
    return;
  }
  if (typmod < 0 || find_typmod_coercion_function(type, &function) != COERCION_PATH_FUNC || get_func_nargs(function) != 3) {
    appendStringInfo(text, "CAST(%s AS %s)", value, format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
    return;
  }
  appendStringInfo(text, "%s(CAST(%s AS %s), %d, false)", quote_qualified_identifier(get_namespace_name(get_func_namespace(function)), get_func_name(function)),
                   value, format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY), typmod);
}

void AppendColumns(StringInfo text, const catalog::Tview* tview) {
  for (int i = 0; i < tview->owned_count; ++i) {
    Oid have, want, collation;
    int32 have_typmod, want_typmod;
    get_atttypetypmodcoll(tview->view, tview->view_columns[i], &have, &have_typmod, &collation);
    get_atttypetypmodcoll(tview->table, tview->owned_columns[i], &want, &want_typmod, &collation);
    const char* column = ColumnText(tview->view, tview->view_columns[i]);
    appendStringInfoString(text, i > 0 ? ", " : "");
    if (have == want && (have_typmod == want_typmod || want_typmod < 0)) {
      appendStringInfo(text, "v.%s", column);
    } else {
      AppendCast(text, psprintf("v.%s", column), want, want_typmod);
    }
  }
}

// The parameters side by side: ROWS FROM (unnest($1), ...) k(k1, ...).
void AppendParameters(StringInfo text, int count) {
  appendStringInfoString(text, "ROWS FROM (");
  for (int i = 1; i <= count; ++i) {
    appendStringInfo(text, "%spg_catalog.unnest($%d)", i > 1 ? ", " : "", i);
  }
  appendStringInfoString(text, ") k(");
  for (int i = 1; i <= count; ++i) {
    appendStringInfo(text, "%sk%d", i > 1 ? ", " : "", i);
  }
  appendStringInfoString(text, ")");
}

void AppendKeys(StringInfo text, Oid relation, const AttrNumber* columns, int count) {
  for (int i = 0; i < count; ++i) {
    appendStringInfo(text, "%s%s", i > 0 ? ", " : "", ColumnText(relation, columns[i]));
  }
}

// v.key = k.k1 AND ...
void AppendMatch(StringInfo text, const catalog::Tview* tview, const char* view, const char* keys) {
  for (int i = 0; i < tview->key_count; ++i) {
    appendStringInfo(text, "%s%s.%s %s %s.k%d", i > 0 ? " AND " : "", view, ColumnText(tview->view, tview->view_key_columns[i]),
                     EqualityText(tview->key_types[i]), keys, i + 1);
  }
}

// v.key = ANY ($n), when the parameter is an array of the column's type.
bool AppendAny(StringInfo text, const catalog::Tview* tview, int i) {
  if (!OidIsValid(get_array_type(getBaseType(tview->key_types[i].type)))) {
    return false;
  }
  appendStringInfo(text, "v.%s %s ANY ($%d)", ColumnText(tview->view, tview->view_key_columns[i]), EqualityText(tview->key_types[i]), i + 1);
  return true;
}

}  // namespace

char* EqualityText(const pg::KeyType& type) {
  const TypeCacheEntry* entry = lookup_type_cache(type.type, TYPECACHE_EQ_OPR);
  if (!OidIsValid(entry->eq_opr)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION), errmsg("type %s has no equality operator", format_type_be(type.type))));
  }
  HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(entry->eq_opr));
  if (!HeapTupleIsValid(tuple)) {
    elog(ERROR, "cache lookup failed for operator %u", entry->eq_opr);
  }
  const Form_pg_operator form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
  char* text = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)), NameStr(form->oprname));
  ReleaseSysCache(tuple);
  return text;
}

char* RelationText(Oid relation) {
  const char* name = get_rel_name(relation);
  if (name == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation)));
  }
  return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name);
}

char* FormText(const catalog::Tview* tview, Form form, bool by_column) {
  const char* view = RelationText(tview->view);
  const char* set = tview->narrowed == nullptr ? view : psprintf("(%s)", tview->narrowed);
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfoString(&text, "SELECT ");
  AppendColumns(&text, tview);
  if (form == Form::kFull) {
    appendStringInfo(&text, " FROM %s v", view);
  } else if (form == Form::kSet && tview->key_count == 1) {
    appendStringInfo(&text, " FROM %s v WHERE ", set);
    (void)AppendAny(&text, tview, 0);
  } else if (form == Form::kSet) {
    appendStringInfo(&text, " FROM %s v WHERE ", set);
    for (int i = 0; by_column && i < tview->key_count; ++i) {
      appendStringInfoString(&text, AppendAny(&text, tview, i) ? " AND " : "");
    }
    appendStringInfoString(&text, "EXISTS (SELECT FROM ");
    AppendParameters(&text, tview->key_count);
    appendStringInfoString(&text, " WHERE ");
    AppendMatch(&text, tview, "v", "k");
    appendStringInfoString(&text, ")");
  } else {
    // OFFSET 0 keeps the planner from turning it back into the set form.
    appendStringInfoString(&text, " FROM ");
    AppendParameters(&text, tview->key_count);
    appendStringInfo(&text, ", LATERAL (SELECT w.* FROM %s w WHERE ", view);
    AppendMatch(&text, tview, "w", "k");
    appendStringInfoString(&text, " OFFSET 0) v");
  }
  return text.data;
}

char* NullKeyText(const catalog::Tview* tview) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfo(&text, "SELECT 1 FROM %s v WHERE ", RelationText(tview->view));
  for (int i = 0; i < tview->key_count; ++i) {
    appendStringInfo(&text, "%sv.%s IS NULL", i > 0 ? " OR " : "", ColumnText(tview->view, tview->view_key_columns[i]));
  }
  appendStringInfoString(&text, " LIMIT 1");
  return text.data;
}

char* AllKeysText(const catalog::Tview* tview) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfoString(&text, "SELECT ");
  AppendKeys(&text, tview->view, tview->view_key_columns, tview->key_count);
  appendStringInfo(&text, " FROM %s UNION SELECT ", RelationText(tview->view));
  AppendKeys(&text, tview->table, tview->key_columns, tview->key_count);
  appendStringInfo(&text, " FROM %s", RelationText(tview->table));
  return text.data;
}

char* StoredKeysText(const catalog::Tview* tview, int64 limit) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfoString(&text, "SELECT ");
  AppendKeys(&text, tview->table, tview->key_columns, tview->key_count);
  appendStringInfo(&text, " FROM %s LIMIT " INT64_FORMAT, RelationText(tview->table), limit);
  return text.data;
}

char* SampleKeysText(const catalog::Tview* tview, int64 rows) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfoString(&text, "(SELECT ");
  AppendKeys(&text, tview->view, tview->view_key_columns, tview->key_count);
  appendStringInfo(&text, " FROM %s ORDER BY pg_catalog.random() LIMIT " INT64_FORMAT ") UNION (SELECT ", RelationText(tview->view),
                   rows);
  AppendKeys(&text, tview->table, tview->key_columns, tview->key_count);
  appendStringInfo(&text, " FROM %s ORDER BY pg_catalog.random() LIMIT " INT64_FORMAT ")", RelationText(tview->table), rows);
  return text.data;
}

}  // namespace tviews::refresh
