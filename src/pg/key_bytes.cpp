// Between Datums and the bytes that core keeps.
#include "pg/key_bytes.h"

#include "core/record.h"

namespace tviews::pg {
namespace {

void Append(StringInfo out, const void* data, size_t length) {
  enlargeStringInfo(out, static_cast<int>(core::FieldSize(length)));
  unsigned char* end = reinterpret_cast<unsigned char*>(out->data) + out->len;
  out->len += static_cast<int>(core::PutField(end, static_cast<const unsigned char*>(data), length));
  out->data[out->len] = '\0';
}

void AppendVarlena(StringInfo out, Datum value) {
  struct varlena* stored = reinterpret_cast<struct varlena*>(DatumGetPointer(value));
  struct varlena* plain = pg_detoast_datum_packed(stored);
  Append(out, VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
  if (plain != stored) {
    pfree(plain);
  }
}

Datum VarlenaFromBytes(core::ByteSpan field) {
  struct varlena* result = static_cast<struct varlena*>(palloc(field.size + VARHDRSZ));
  SET_VARSIZE(result, field.size + VARHDRSZ);
  memcpy(VARDATA(result), field.data, field.size);
  return PointerGetDatum(result);
}

}  // namespace

KeyType LookupKeyType(Oid type, int32 typmod, Oid collation) {
  KeyType result;
  result.type = type;
  result.typmod = typmod;
  result.collation = collation;
  get_typlenbyvalalign(type, &result.length, &result.by_value, &result.align);
  return result;
}

void AppendField(StringInfo out, Datum value, bool is_null, const KeyType& type) {
  if (is_null) {
    Append(out, nullptr, 0);
  } else if (type.by_value) {
    unsigned char bytes[sizeof(Datum)];
    store_att_byval(bytes, value, type.length);
    Append(out, bytes, type.length);
  } else if (type.length > 0) {
    Append(out, DatumGetPointer(value), type.length);
  } else if (type.length == -1) {
    AppendVarlena(out, value);
  } else {
    Append(out, DatumGetCString(value), strlen(DatumGetCString(value)));
  }
}

Datum FieldToDatum(core::ByteSpan field, const KeyType& type, bool* is_null) {
  *is_null = field.data == nullptr;
  if (*is_null) {
    return 0;
  }
  if (type.length > 0 && field.size != static_cast<size_t>(type.length)) {
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
                    errmsg("captured value of %zu bytes does not fit type %s", field.size, format_type_be(type.type))));
  }
  if (type.by_value) {
    union {
      Datum align;
      unsigned char bytes[sizeof(Datum)];
    } raw;
    memcpy(raw.bytes, field.data, field.size);
    return fetch_att(raw.bytes, true, type.length);
  }
  if (type.length == -1) {
    return VarlenaFromBytes(field);
  }
  char* result = static_cast<char*>(palloc(field.size + 1));
  memcpy(result, field.data, field.size);
  result[field.size] = '\0';
  return PointerGetDatum(result);
}

Oid ParameterType(const KeyType& type) {
  const Oid array = get_array_type(getBaseType(type.type));
  return OidIsValid(array) ? array : TEXTARRAYOID;
}

Datum ParameterArray(const KeyType& type, Datum* values, bool* nulls, int count) {
  const Oid base = getBaseType(type.type);
  int dims[1] = {count}, lower[1] = {1};
  if (OidIsValid(get_array_type(base))) {
    return PointerGetDatum(construct_md_array(values, nulls, count > 0 ? 1 : 0, dims, lower, base, type.length, type.by_value, type.align));
  }
  Oid output;
  bool varlena;
  getTypeOutputInfo(base, &output, &varlena);
  Datum* texts = static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1)));
  for (int i = 0; i < count; ++i) {
    const bool is_null = nulls != nullptr && nulls[i];
    texts[i] = is_null ? static_cast<Datum>(0) : CStringGetTextDatum(OidOutputFunctionCall(output, values[i]));
  }
  return PointerGetDatum(construct_md_array(texts, nulls, count > 0 ? 1 : 0, dims, lower, TEXTOID, -1, false, TYPALIGN_INT));
}

}  // namespace tviews::pg
