// Casts to text, undone: `F = id::text` holds exactly where `inverse(F) = id`, and the latter finds rows by the index on id.
#include "lineage/resolve.h"

namespace tviews::lineage {

namespace {

constexpr Oid kNumericLess = 1754, kNumericGreater = 1756;  // not in pg_operator_d.h
constexpr const char* kUuid = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
constexpr const char* kInteger = "^(0|-?[1-9][0-9]{0,18})$";

Expr* TextConst(const char* text) {
  return reinterpret_cast<Expr*>(makeConst(TEXTOID, -1, C_COLLATION_OID, -1, CStringGetTextDatum(text), false, false));
}

Expr* NumericConst(const char* text) {
  const Datum value = DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
  return reinterpret_cast<Expr*>(makeConst(NUMERICOID, -1, InvalidOid, -1, value, false, false));
}

// `value` by way of its text.
Expr* Convert(const Node* value, Oid type) {
  CoerceViaIO* io = makeNode(CoerceViaIO);
  io->arg = static_cast<Expr*>(copyObjectImpl(value));
  io->resulttype = type;
  io->coerceformat = COERCE_EXPLICIT_CAST;
  io->location = -1;
  return reinterpret_cast<Expr*>(io);
}

CaseWhen* When(Expr* condition, Expr* result) {
  CaseWhen* when = makeNode(CaseWhen);
  when->expr = condition;
  when->result = result;
  when->location = -1;
  return when;
}

Expr* Compare(const Node* text, Oid op, const char* limit) {
  return make_opclause(op, BOOLOID, false, Convert(text, NUMERICOID), NumericConst(limit), InvalidOid, InvalidOid);
}

// NULL outside of the type's range; `text` is known to be an integer.
List* RangeChecks(const Node* text, Oid type) {
  const char* lowest = type == INT2OID ? "-32768" : type == INT4OID ? "-2147483648" : "-9223372036854775808";
  const char* highest = type == INT2OID ? "32767" : type == INT4OID ? "2147483647" : "9223372036854775807";
  Expr* null = reinterpret_cast<Expr*>(makeNullConst(type, -1, InvalidOid));
  return list_make2(When(Compare(text, kNumericLess, lowest), null), When(Compare(text, kNumericGreater, highest), null));
}

}  // namespace

const Node* CastToText(const Node* expr) {
  expr = StripRelabel(expr);
  if (expr == nullptr || !IsA(expr, CoerceViaIO)) {
    return nullptr;
  }
  const CoerceViaIO* io = reinterpret_cast<const CoerceViaIO*>(expr);
  const Oid from = exprType(reinterpret_cast<const Node*>(io->arg));
  const bool known = from == UUIDOID || from == INT2OID || from == INT4OID || from == INT8OID;
  return known && (io->resulttype == TEXTOID || io->resulttype == VARCHAROID) ? reinterpret_cast<const Node*>(io->arg) : nullptr;
}

Node* InverseOfCastToText(const Node* text, Oid type) {
  CollateExpr* collate = makeNode(CollateExpr);
  collate->arg = static_cast<Expr*>(copyObjectImpl(text));
  collate->collOid = C_COLLATION_OID;
  collate->location = -1;
  Expr* canonical = make_opclause(OID_TEXT_REGEXEQ_OP, BOOLOID, false, reinterpret_cast<Expr*>(collate),
                                  TextConst(type == UUIDOID ? kUuid : kInteger), InvalidOid, C_COLLATION_OID);
  Expr* null = reinterpret_cast<Expr*>(makeNullConst(type, -1, InvalidOid));
  CaseExpr* inverse = makeNode(CaseExpr);
  inverse->casetype = type;
  inverse->location = -1;
  BoolExpr* foreign = reinterpret_cast<BoolExpr*>(makeBoolExpr(NOT_EXPR, list_make1(canonical), -1));
  // CASE keeps the order: no text that is none of the type's is ever converted.
  inverse->args = list_concat(list_make1(When(reinterpret_cast<Expr*>(foreign), null)), type == UUIDOID ? NIL : RangeChecks(text, type));
  inverse->defresult = Convert(text, type);
  return reinterpret_cast<Node*>(inverse);
}

const Node* TextOfInverse(const Node* expr) {
  if (!IsA(expr, CaseExpr)) {
    return nullptr;
  }
  const CaseExpr* inverse = reinterpret_cast<const CaseExpr*>(expr);
  if (inverse->defresult == nullptr || !IsA(inverse->defresult, CoerceViaIO)) {
    return nullptr;
  }
  const Node* text = reinterpret_cast<const Node*>(reinterpret_cast<const CoerceViaIO*>(inverse->defresult)->arg);
  return exprType(text) == TEXTOID && equal(InverseOfCastToText(text, inverse->casetype), expr) ? text : nullptr;
}

}  // namespace tviews::lineage
