// Which form to recompute with: the planner's estimate with the real keys, corrected by measured time.
#pragma once

#include "core/two_ways.h"
#include "refresh/refresh.h"

namespace tviews::refresh {

// What is remembered per TVIEW and size class (1, up to 16, 256, 2048, above).
struct Choice {
  Oid tview;
  uint32 size_class;
  core::TwoWays ways;     // kSet, kEach; microseconds per key
  TimestampTz chosen_at;  // 0: not chosen yet
  bool by_column;         // kSet of a key of several columns, see FormText
};

// The entry of (tview, class of `keys`); made when it is not there.  Valid until ForgetChoices.
Choice* FindChoice(Oid tview, size_t keys);

// True when both forms have to be planned (again).
bool ChoiceIsDue(const Choice* choice, TimestampTz now);

// Takes the costs of both forms for this many keys.
void SetCosts(Choice* choice, double set_cost, double each_cost, TimestampTz now);

// The form to run next, and its cost.
Form ChosenForm(const Choice* choice);
double ChosenCost(const Choice* choice);

// Takes the time that `form` needed for `keys` keys; may change the form for next time.
void Measured(Choice* choice, Form form, size_t keys, double microseconds);

void ForgetChoices();

}  // namespace tviews::refresh
