// Keys as users read and write them.
#include "refresh/key_text.h"

#include "core/record.h"

namespace tviews::refresh {

namespace {

[[noreturn]] void RefuseText(const char* text, int count) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"%s\" is not a key of %d columns", text, count),
                  errhint("Write it as a JSON array with one element for each column of the key: [\"post\", \"7\"].")));
}

const char* ScalarText(JsonbValue* value) {
  switch (value->type) {
    case jbvString:
      return pnstrdup(value->val.string.val, value->val.string.len);
    case jbvNumeric:
      return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
    case jbvBool:
      return value->val.boolean ? "true" : "false";
    default:
      return nullptr;
  }
}

// The texts of the columns, none of them null.
const char** ColumnTexts(const char* text, int count) {
  const char** texts = static_cast<const char**>(palloc(sizeof(char*) * count));
  if (count == 1) {
    texts[0] = text;
    return texts;
  }
  Jsonb* json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
  if (!JB_ROOT_IS_ARRAY(json) || JB_ROOT_IS_SCALAR(json) || JB_ROOT_COUNT(json) != static_cast<uint32>(count)) {
    RefuseText(text, count);
  }
  for (int i = 0; i < count; ++i) {
    texts[i] = ScalarText(getIthJsonbValueFromContainer(&json->root, i));
    if (texts[i] == nullptr) {
      RefuseText(text, count);
    }
  }
  return texts;
}

}  // namespace

char* KeyText(const catalog::Tview* tview, core::ByteSpan key) {
  StringInfoData text;
  initStringInfo(&text);
  size_t offset = 0;
  for (int i = 0; i < tview->key_count; ++i) {
    core::ByteSpan field;
    if (core::NextField(key, &offset, &field) != core::Next::kItem) {
      break;
    }
    bool is_null;
    const Datum value = pg::FieldToDatum(field, tview->key_types[i], &is_null);
    Oid output;
    bool varlena;
    getTypeOutputInfo(tview->key_types[i].type, &output, &varlena);
    const char* column = is_null ? nullptr : OidOutputFunctionCall(output, value);
    if (tview->key_count == 1) {
      return pstrdup(column == nullptr ? "NULL" : column);
    }
    appendStringInfoString(&text, i > 0 ? ", " : "[");
    if (column == nullptr) {
      appendStringInfoString(&text, "null");
    } else {
      escape_json(&text, column);
    }
  }
  appendStringInfoChar(&text, ']');
  return text.data;
}

core::ByteSpan KeyFromText(const char* text, const pg::KeyType* types, int count) {
  const char** texts = ColumnTexts(text, count);
  StringInfoData bytes;
  initStringInfo(&bytes);
  for (int i = 0; i < count; ++i) {
    Oid input, parameter;
    getTypeInputInfo(types[i].type, &input, &parameter);
    pg::AppendField(&bytes, OidInputFunctionCall(input, pstrdup(texts[i]), parameter, types[i].typmod), false, types[i]);
  }
  return {reinterpret_cast<const unsigned char*>(bytes.data), static_cast<size_t>(bytes.len)};
}

}  // namespace tviews::refresh
