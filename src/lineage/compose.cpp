// Putting mapping queries one behind the other.
#include "lineage/paths.h"

namespace tviews::lineage {

namespace {

// `text` with $1 .. $n replaced; quoted parts are left alone.
const char* WithParameters(const char* text, const char* const* values, int count) {
  StringInfoData result;
  initStringInfo(&result);
  char quote = '\0';
  for (const char* at = text; *at != '\0'; ++at) {
    if (quote == '\0' && *at == '$' && at[1] >= '1' && at[1] <= '9') {
      char* end;
      const long number = strtol(at + 1, &end, 10);
      if (number <= count) {
        appendStringInfoString(&result, values[number - 1]);
        at = end - 1;
        continue;
      }
    }
    if (quote == '\0' ? *at == '\'' || *at == '"' : *at == quote) {
      quote = quote == '\0' ? *at : '\0';
    }
    appendStringInfoChar(&result, *at);
  }
  return result.data;
}

}  // namespace

const char* Captured(const char* expr, Oid type, const char* json_path) {
  if (json_path != nullptr && json_path[0] != '\0') {
    return psprintf("(%s #>> %s)", expr, quote_literal_cstr(json_path));
  }
  const Oid base = getBaseType(type);
  if (!OidIsValid(get_array_type(base))) {
    return psprintf("%s::pg_catalog.text", expr);
  }
  return base == type ? expr : psprintf("%s::%s", expr, format_type_be_qualified(base));
}

const char* JsonPath(const Path* path, int i) { return path->json_paths == nullptr ? nullptr : path->json_paths[i]; }

const char* WithCaptured(const Path* path, const char* const* arrays) { return WithParameters(path->query, arrays, path->column_count); }

const char* ContinueFrom(const char* query, const Path* path) {
  if (path->kind == catalog::MappingKind::kKey) {
    return query;
  }
  StringInfoData names, arrays;
  initStringInfo(&names);
  initStringInfo(&arrays);
  const char** parameters = static_cast<const char**>(palloc(path->column_count * sizeof(char*)));
  for (int i = 0; i < path->column_count; ++i) {
    appendStringInfo(&names, "%sc%d", i > 0 ? ", " : "", i + 1);
    appendStringInfo(&arrays, "%spg_catalog.array_agg(e.c%d) AS a%d", i > 0 ? ", " : "", i + 1, i + 1);
    parameters[i] = psprintf("a.a%d", i + 1);
  }
  return psprintf("SELECT q.* FROM (SELECT %s FROM (%s) e(%s)) a CROSS JOIN LATERAL (%s) q", arrays.data, query, names.data, WithCaptured(path, parameters));
}

bool WordWay(const Analysis* analysis, int occurrence, Solution* solution, const Key* key, Path* path) {
  const core::OccurrencePath* found = &solution->found.paths[occurrence];
  if (found->kind == core::PathKind::kNone) {
    return false;
  }
  const bool is_key = key->count == 1 && ValueType(analysis, found->capture_value, nullptr) == key->columns[0].type;
  if (!OidIsValid(analysis->occurrences[occurrence].relation) && found->step_count == 0 && !is_key) {
    return false;
  }
  return WordPath(analysis, occurrence, solution, key, path);
}

}  // namespace tviews::lineage
