// Whether the key of a view can be NULL: from NOT NULL columns, the shape of the joins, and conditions that NULL does not pass.
#include "lineage/paths.h"
#include "pg/query_tree.h"

namespace tviews::lineage {

namespace {

bool OutputNeverNull(Level* level, AttrNumber number);

// Whether a row that passes `condition` has a value in one of `arms` (Vars of `level`, tried in turn by a COALESCE).
bool Proves(Level* level, Node* condition, const List* arms) {
  check_stack_depth();
  if (condition == nullptr) {
    return false;
  }
  ListCell* cell;
  if (IsA(condition, BoolExpr) && reinterpret_cast<BoolExpr*>(condition)->boolop == AND_EXPR) {
    foreach (cell, reinterpret_cast<BoolExpr*>(condition)->args) {
      if (Proves(level, static_cast<Node*>(lfirst(cell)), arms)) {
        return true;
      }
    }
    return false;
  }
  List* operands = NIL;
  if (IsA(condition, NullTest) && reinterpret_cast<NullTest*>(condition)->nulltesttype == IS_NOT_NULL) {
    operands = list_make1(reinterpret_cast<NullTest*>(condition)->arg);
  } else if (IsA(condition, OpExpr) && op_strict(reinterpret_cast<OpExpr*>(condition)->opno)) {
    operands = reinterpret_cast<OpExpr*>(condition)->args;
  }
  foreach (cell, operands) {
    List* operand = MergedArms(level, static_cast<Node*>(lfirst(cell)));
    if (operand != NIL && list_difference(operand, arms) == NIL) {
      return true;
    }
  }
  return false;
}

// Whether every row of `node` brings a value in one of `arms`.
bool Brings(Level* level, Node* node, const List* arms) {
  check_stack_depth();
  ListCell* cell;
  if (IsA(node, FromExpr)) {
    foreach (cell, castNode(FromExpr, node)->fromlist) {
      if (Brings(level, static_cast<Node*>(lfirst(cell)), arms)) {
        return true;
      }
    }
    return Proves(level, castNode(FromExpr, node)->quals, arms);
  }
  if (IsA(node, JoinExpr)) {
    const JoinExpr* join = castNode(JoinExpr, node);
    const bool left = Brings(level, join->larg, arms);
    const bool right = Brings(level, join->rarg, arms);
    switch (join->jointype) {
      case JOIN_INNER:
        return left || right || Proves(level, join->quals, arms);
      case JOIN_LEFT:
        return left;
      case JOIN_RIGHT:
        return right;
      default:
        return left && right;
    }
  }
  const int index = castNode(RangeTblRef, node)->rtindex;
  foreach (cell, arms) {
    const Var* arm = lfirst_node(Var, cell);
    const Item* item = &level->items[index];
    if (arm->varno == index && arm->varattno > 0 &&
        ((item->kind == ItemKind::kRelation && pg::IsColumnNotNull(rt_fetch(index, level->query->rtable)->relid, arm->varattno)) ||
         (item->kind == ItemKind::kLevel && OutputNeverNull(item->child, arm->varattno)))) {
      return true;
    }
  }
  return false;
}

bool BranchesNeverNull(Level* level, Node* node, AttrNumber number) {
  check_stack_depth();
  if (IsA(node, SetOperationStmt)) {
    const SetOperationStmt* operation = castNode(SetOperationStmt, node);
    return BranchesNeverNull(level, operation->larg, number) && BranchesNeverNull(level, operation->rarg, number);
  }
  Level* branch = level->items[castNode(RangeTblRef, node)->rtindex].child;
  return branch != nullptr && OutputNeverNull(branch, number);
}

bool IsOneOf(const char* name, const char* const* names, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (strcmp(name, names[i]) == 0) {
      return true;
    }
  }
  return false;
}

// Functions of the server that give a value whenever all their arguments are values.
bool KeepsValues(const Node* call) {
  static const char* const functions[] = {"date_trunc", "date", "timestamp", "timestamptz", "timezone", "text", "varchar", "lower", "upper", "btrim",
                                          "ltrim", "rtrim", "md5", "int2", "int4", "int8", "numeric", "float4", "float8", "abs", "length"};
  static const char* const operators[] = {"+", "-", "*", "/", "%", "||"};
  if (IsA(call, FuncExpr)) {
    const Oid function = reinterpret_cast<const FuncExpr*>(call)->funcid;
    return function < FirstNormalObjectId && func_strict(function) && IsOneOf(get_func_name(function), functions, lengthof(functions));
  }
  const Oid op = reinterpret_cast<const OpExpr*>(call)->opno;
  return op < FirstNormalObjectId && op_strict(op) && IsOneOf(get_opname(op), operators, lengthof(operators));
}

bool ExpressionNeverNull(Level* level, const Node* expr) {
  check_stack_depth();
  expr = StripRelabel(expr);
  const List* args = NIL;
  ListCell* cell;
  if (expr == nullptr) {
    return false;
  }
  List* arms = MergedArms(level, expr);
  if (arms != NIL && Brings(level, reinterpret_cast<Node*>(level->query->jointree), arms)) {
    return true;
  }
  switch (nodeTag(expr)) {
    case T_Const:
      return !reinterpret_cast<const Const*>(expr)->constisnull;
    case T_CoerceViaIO:
      return ExpressionNeverNull(level, reinterpret_cast<const Node*>(reinterpret_cast<const CoerceViaIO*>(expr)->arg));
    case T_CoalesceExpr:
      foreach (cell, reinterpret_cast<const CoalesceExpr*>(expr)->args) {
        if (ExpressionNeverNull(level, static_cast<const Node*>(lfirst(cell)))) {
          return true;
        }
      }
      return false;
    case T_FuncExpr:
      args = reinterpret_cast<const FuncExpr*>(expr)->args;
      break;
    case T_OpExpr:
      args = reinterpret_cast<const OpExpr*>(expr)->args;
      break;
    default:
      return false;
  }
  if (!KeepsValues(expr)) {
    return false;
  }
  foreach (cell, args) {
    if (!ExpressionNeverNull(level, static_cast<const Node*>(lfirst(cell)))) {
      return false;
    }
  }
  return true;
}

bool OutputNeverNull(Level* level, AttrNumber number) {
  check_stack_depth();
  if (level->query->setOperations != nullptr) {
    return BranchesNeverNull(level, level->query->setOperations, number);
  }
  const TargetEntry* entry = get_tle_by_resno(level->query->targetList, number);
  return entry != nullptr && level->query->groupingSets == NIL && ExpressionNeverNull(level, reinterpret_cast<const Node*>(entry->expr));
}

}  // namespace

bool IsKeyNeverNull(Level* top, AttrNumber number) { return OutputNeverNull(top, number); }

}  // namespace tviews::lineage
