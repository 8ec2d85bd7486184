// Which form to recompute with: the planner's estimate with the real keys, corrected by measured time.
#pragma once

#include "refresh/refresh.h"

namespace tviews::refresh {

// What is remembered per TVIEW and size class (1, up to 16, 256, 2048, above).
struct Choice {
  Oid tview;
  uint32 size_class;
  Form form;              // kSet or kEach
  double cost[2];         // of kSet and kEach, by the planner
  double us_per_key[2];   // measured: the least of the first runs, then an exponential average
  int runs[2];            // measured ones, counted up to the first few
  TimestampTz chosen_at;  // 0: not chosen yet
};

// The entry of (tview, class of `keys`); made when it is not there.  Valid until ForgetChoices.
Choice* FindChoice(Oid tview, size_t keys);

// True when both forms have to be planned (again).
bool ChoiceIsDue(const Choice* choice, TimestampTz now);

// Takes the costs of both forms for this many keys.
void SetCosts(Choice* choice, double set_cost, double each_cost, TimestampTz now);

// Takes the time that `form` needed for `keys` keys; may change the form for next time.
void Measured(Choice* choice, Form form, size_t keys, double microseconds);

void ForgetChoices();

}  // namespace tviews::refresh
