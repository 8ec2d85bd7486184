// From affected keys to rows: recompute from the view, compare with the table, write only what differs.
#include "refresh/refresh.h"

#include "refresh/apply.h"
#include "refresh/choice.h"
#include "refresh/forms.h"
#include "refresh/session.h"
#include "refresh/statement_cache.h"
#include "refresh/subtransaction.h"

namespace tviews::refresh {

namespace {

constexpr size_t kGenericUpTo = 16;
constexpr size_t kFullFrom = 256;      // below, the whole view is not considered
constexpr double kFullFraction = 0.3;  // of the table's rows
// For almost all keys the whole view is taken though it seems dearer: the planner thinks an array that it does not know short.
constexpr double kAlmostAll = 0.8;
constexpr double kSeemsDearer = 4.0;

double CostOf(const catalog::Tview* tview, const char* text, const Arguments& arguments) {
  return StatementCost(GetStatement(tview->table, text, arguments, PlanKind::kCustom), arguments);
}

// Plans both forms with the real keys when that is due, and says which to run.  kFull: the whole view is cheaper.
Form Choose(const Session* session, const Arguments& arguments, Choice* choice, PlanKind kind, char** text) {
  const catalog::Tview* tview = session->target->tview;
  const TimestampTz now = GetCurrentTimestamp();
  bool due = ChoiceIsDue(choice, now);
  if (!due) {
    *text = FormText(tview, ChosenForm(choice), choice->by_column);
    due = !StatementIsValid(GetStatement(tview->table, *text, arguments, kind));
  }
  if (due) {
    double set = CostOf(tview, FormText(tview, Form::kSet), arguments);
    choice->by_column = false;
    if (tview->key_count > 1) {
      const double by_column = CostOf(tview, FormText(tview, Form::kSet, true), arguments);
      choice->by_column = by_column < set;
      set = Min(set, by_column);
    }
    SetCosts(choice, set, CostOf(tview, FormText(tview, Form::kEach), arguments), now);
    *text = FormText(tview, ChosenForm(choice), choice->by_column);
  }
  const double rows = session->wanted->count >= kFullFrom && !session->only_keys ? RowsStored(session->target->tview->table) : -1;
  if (rows > 0 && session->wanted->count > kFullFraction * rows) {
    const Arguments none = {};
    const double full = StatementCost(GetStatement(tview->table, FormText(tview, Form::kFull), none, PlanKind::kCustom), none);
    // The cost of the form was that of the keys it was chosen with; about as many, by the size class.
    const double bearable = session->wanted->count > kAlmostAll * rows ? kSeemsDearer : 1;
    if (full < bearable * ChosenCost(choice)) {
      return Form::kFull;
    }
  }
  return ChosenForm(choice);
}

void RunWhole(Session* session) {
  Recompute* recompute = BeginRecompute(session->target, nullptr, true, &session->changes);
  const Arguments none = {};
  RunStatement(GetStatement(session->target->tview->table, FormText(session->target->tview, Form::kFull), none, PlanKind::kCustom),
               none, RecomputeReceiver(recompute));
  EndRecompute(recompute);
  session->result.form = Form::kFull;
  session->result.keys = session->changes.view_rows + session->changes.count[0];
  Apply(session->target, recompute, &session->changes, &session->result);
}

void RunKeys(Session* session) {
  const size_t count = session->wanted->count;
  const catalog::Tview* tview = session->target->tview;
  const Arguments arguments = KeyArguments(session->wanted);
  const PlanKind kind = count <= kGenericUpTo ? PlanKind::kGeneric : PlanKind::kCustom;
  Choice* choice = FindChoice(tview->table, count);
  char* text;
  const Form form = Choose(session, arguments, choice, kind, &text);
  if (form == Form::kFull) {
    RunWhole(session);
    return;
  }
  Statement* statement = GetStatement(tview->table, text, arguments, kind);
  Recompute* recompute = BeginRecompute(session->target, session->wanted, session->strays, &session->changes);
  instr_time before, after;
  INSTR_TIME_SET_CURRENT(before);
  RunStatement(statement, arguments, RecomputeReceiver(recompute));
  INSTR_TIME_SET_CURRENT(after);
  INSTR_TIME_SUBTRACT(after, before);
  Measured(choice, form, count, static_cast<double>(INSTR_TIME_GET_MICROSEC(after)));
  EndRecompute(recompute);
  session->result.form = form;
  Apply(session->target, recompute, &session->changes, &session->result);
}

// Rows without a key cannot be kept: the key is refused while the view has one.
void CheckNullKey(Session* session) {
  MemoryContext own = CurrentMemoryContext;
  const int result = SPI_execute(NullKeyText(session->target->tview), true, 1);
  MemoryContextSwitchTo(own);
  if (result != SPI_OK_SELECT) {
    elog(ERROR, "could not look for rows without a key: %s", SPI_result_code_string(result));
  }
  if (SPI_processed > 0) {
    RefuseNullKey(&session->changes, session->target, session->wanted->null_key);
  }
}

}  // namespace

const char* FormName(Form form) {
  switch (form) {
    case Form::kSet:
      return "set";
    case Form::kEach:
      return "each";
    case Form::kFull:
      break;
  }
  return "full";
}

Result RefreshKeys(const catalog::Tview* tview, const core::KeySets* keys, uint32 number, size_t first, size_t count,
                   bool strays, bool only_keys, DeferFunction defer, void* context) {
  Session session;
  BeginSession(&session, tview, true);
  session.strays = strays;
  session.only_keys = only_keys;
  ArmRefreshTimeout();
  session.wanted = NewWanted(session.target, keys, number, first, count);
  if (session.wanted->count > 0) {
    RunKeys(&session);
  }
  if (session.wanted->null_key.data != nullptr) {
    CheckNullKey(&session);
  }
  session.result.keys = static_cast<int64>(count);
  DisarmRefreshTimeout();
  EndSession(&session, defer, context);
  PublishStatements();
  return session.result;
}

Result RefreshWhole(const catalog::Tview* tview, DeferFunction defer, void* context) {
  Session session;
  BeginSession(&session, tview, true);
  RunWhole(&session);
  EndSession(&session, defer, context);
  return session.result;
}

}  // namespace tviews::refresh
