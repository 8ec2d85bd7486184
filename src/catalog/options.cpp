// ParseOptions: the options argument of pg_tviews_create, checked.
#include "catalog/internal_sql.h"
#include "catalog/registration.h"
#include "pg/owner_context.h"

namespace tviews::catalog {
namespace {

constexpr const char* kKnown =
    "Known options: key, on_unkeyed, refresh_every, min_interval, fillfactor, indexes, partition_by, notify, unlogged, build, settings.";

constexpr int64 kLongestTimerMs = 36525 * static_cast<int64>(SECS_PER_DAY) * 1000;

[[noreturn]] void Bad(const char* name, const char* expected) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid value for TVIEW option \"%s\"", name), errdetail("Expected %s.", expected)));
}

char* Text(const JsonbValue& value, const char* name, const char* expected) {
  if (value.type != jbvString) {
    Bad(name, expected);
  }
  return pnstrdup(value.val.string.val, value.val.string.len);
}

bool Boolean(const JsonbValue& value, const char* name) {
  if (value.type != jbvBool) {
    Bad(name, "true or false");
  }
  return value.val.boolean;
}

int Integer(const JsonbValue& value, const char* name, int low, int high) {
  if (value.type != jbvNumeric) {
    Bad(name, psprintf("an integer between %d and %d", low, high));
  }
  const double number = DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value.val.numeric)));
  if (number != static_cast<int>(number) || number < low || number > high) {
    Bad(name, psprintf("an integer between %d and %d", low, high));
  }
  return static_cast<int>(number);
}

void NameOption(void* name) { errcontext("TVIEW option \"%s\"", static_cast<const char*>(name)); }

int64 Milliseconds(const char* name, const char* text) {
  ErrorContextCallback context = {error_context_stack, NameOption, const_cast<char*>(name)};
  error_context_stack = &context;
  const Interval* interval =
      DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
  error_context_stack = context.previous;
  return interval->time / 1000 + (static_cast<int64>(interval->day) + interval->month * static_cast<int64>(DAYS_PER_MONTH)) * SECS_PER_DAY * 1000;
}

void ParseKey(const JsonbValue& value, Options* options) {
  if (value.type == jbvString) {
    options->key_count = 1;
    options->key = static_cast<const char**>(palloc(sizeof(char*)));
    options->key[0] = pnstrdup(value.val.string.val, value.val.string.len);
    return;
  }
  if (value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data) || JsonContainerIsScalar(value.val.binary.data)) {
    Bad("key", "the name of a column, or an array of them");
  }
  const int count = JsonContainerSize(value.val.binary.data);
  options->key = static_cast<const char**>(palloc(sizeof(char*) * (count + 1)));
  for (int i = 0; i < count; ++i) {
    const JsonbValue* element = getIthJsonbValueFromContainer(value.val.binary.data, i);
    options->key[i] = Text(*element, "key", "the name of a column, or an array of them");
  }
  options->key_count = count;
  if (count == 0 || count > INDEX_MAX_KEYS) {
    Bad("key", psprintf("between one and %d columns", INDEX_MAX_KEYS));
  }
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < i; ++j) {
      if (strcmp(options->key[i], options->key[j]) == 0) {
        ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN), errmsg("column \"%s\" appears twice in the key of the TVIEW", options->key[i])));
      }
    }
  }
}

// "RANGE (a, b)"
void ParsePartitionBy(const char* text, PartitionBy* partition) {
  static const char* const kStrategies[] = {"RANGE", "LIST", "HASH"};
  constexpr const char* kExpected = "RANGE (columns), LIST (column) or HASH (columns)";
  const char* open = strchr(text, '(');
  const char* close = strrchr(text, ')');
  if (open == nullptr || close == nullptr || close < open || strspn(close + 1, " \t\n") != strlen(close + 1)) {
    Bad("partition_by", kExpected);
  }
  size_t length = open - text;
  while (length > 0 && isspace(static_cast<unsigned char>(text[length - 1]))) {
    --length;
  }
  const size_t blank = strspn(text, " \t\n");
  for (const char* strategy : kStrategies) {
    if (length == blank + strlen(strategy) && pg_strncasecmp(text + blank, strategy, strlen(strategy)) == 0) {
      partition->strategy = strategy;
    }
  }
  if (partition->strategy == nullptr || !SplitIdentifierString(pnstrdup(open + 1, close - open - 1), ',', &partition->columns) || partition->columns == NIL ||
      (strcmp(partition->strategy, "LIST") == 0 && list_length(partition->columns) != 1)) {
    Bad("partition_by", kExpected);
  }
}

// The session's pinned settings with those of the option in their place.
ArrayType* MergeSettings(ArrayType* base, const JsonbValue& value) {
  if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data)) {
    Bad("settings", "an object of setting names and values");
  }
  Datum* elements;
  int count;
  deconstruct_array(base, TEXTOID, -1, false, TYPALIGN_INT, &elements, nullptr, &count);
  List* texts = NIL;
  for (int i = 0; i < count; ++i) {
    texts = lappend(texts, TextDatumGetCString(elements[i]));
  }
  JsonbIterator* iterator = JsonbIteratorInit(value.val.binary.data);
  JsonbValue item;
  JsonbIteratorToken token;
  char* name = nullptr;
  while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE) {
    if (token == WJB_KEY) {
      name = pnstrdup(item.val.string.val, item.val.string.len);
    } else if (token == WJB_VALUE) {
      char* text = item.type == jbvNumeric ? DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(item.val.numeric)))
                   : item.type == jbvBool  ? pstrdup(item.val.boolean ? "on" : "off")
                                           : Text(item, "settings", "strings, numbers and booleans as values");
      if (!pg::MayBePinned(name)) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("setting \"%s\" cannot be pinned to a TVIEW", name),
                        errhint("Pin what the values of its query depend on, such as TimeZone or DateStyle.")));
      }
      set_config_option(name, text, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, false, ERROR, false);  // only checks
      bool replaced = false;
      for (int i = 0; i + 1 < list_length(texts); i += 2) {
        if (pg_strcasecmp(static_cast<char*>(list_nth(texts, i)), name) == 0) {
          lfirst(list_nth_cell(texts, i + 1)) = text;
          replaced = true;
        }
      }
      if (!replaced) {
        texts = lappend(lappend(texts, name), text);
      }
    }
  }
  const char** flat = static_cast<const char**>(palloc(sizeof(char*) * (list_length(texts) + 1)));
  for (int i = 0; i < list_length(texts); ++i) {
    flat[i] = static_cast<const char*>(list_nth(texts, i));
  }
  return TextArray(flat, list_length(texts));
}

void ParseOne(const char* name, const JsonbValue& value, Options* options) {
  if (strcmp(name, "key") == 0) {
    ParseKey(value, options);
  } else if (strcmp(name, "on_unkeyed") == 0) {
    const char* text = Text(value, name, "\"error\" or \"full\"");
    options->unkeyed_full = strcmp(text, "full") == 0;
    if (!options->unkeyed_full && strcmp(text, "error") != 0) {
      Bad(name, "\"error\" or \"full\"");
    }
  } else if (strcmp(name, "min_interval") == 0) {
    options->min_interval_ms = Milliseconds(name, Text(value, name, "an interval"));
    if (options->min_interval_ms < 0) {
      Bad(name, "an interval that is not negative");
    }
  } else if (strcmp(name, "refresh_every") == 0) {
    options->refresh_every_ms = Milliseconds(name, Text(value, name, "an interval"));
    if (options->refresh_every_ms < 1000 || options->refresh_every_ms > kLongestTimerMs) {
      Bad(name, "an interval between one second and 100 years");
    }
  } else if (strcmp(name, "fillfactor") == 0) {
    options->fillfactor = Integer(value, name, 10, 100);
  } else if (strcmp(name, "indexes") == 0) {
    options->indexes = Boolean(value, name);
  } else if (strcmp(name, "unlogged") == 0) {
    options->unlogged = Boolean(value, name);
  } else if (strcmp(name, "build") == 0) {
    const char* text = Text(value, name, "\"now\" or \"background\"");
    options->background = strcmp(text, "background") == 0;
    if (!options->background && strcmp(text, "now") != 0) {
      Bad(name, "\"now\" or \"background\"");
    }
  } else if (strcmp(name, "settings") == 0) {
    options->settings = MergeSettings(options->settings, value);
  } else if (strcmp(name, "notify") == 0) {
    if (Boolean(value, name)) {
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("TVIEW option \"notify\" is not supported yet"),
                      errhint("Put a trigger on the TVIEW's table that calls pg_notify().")));
    }
  } else if (strcmp(name, "partition_by") == 0) {
    ParsePartitionBy(Text(value, name, "text"), &options->partition_by);
  } else {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown TVIEW option \"%s\"", name), errhint("%s", kKnown)));
  }
}

}  // namespace

Options ParseOptions(Datum json) {
  Options options = {};
  options.fillfactor = 90;
  options.indexes = true;
  options.settings = pg::CurrentPinnedSettings();
  options.json = json;
  Jsonb* jsonb = DatumGetJsonbP(json);
  if (!JB_ROOT_IS_OBJECT(jsonb)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("TVIEW options must be a JSON object"), errhint("%s", kKnown)));
  }
  JsonbIterator* iterator = JsonbIteratorInit(&jsonb->root);
  JsonbValue item;
  JsonbIteratorToken token;
  char* name = nullptr;
  while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE) {
    if (token == WJB_KEY) {
      name = pnstrdup(item.val.string.val, item.val.string.len);
    } else if (token == WJB_VALUE) {
      ParseOne(name, item, &options);
    }
  }
  return options;
}

}  // namespace tviews::catalog
