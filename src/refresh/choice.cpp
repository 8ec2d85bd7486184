// Which form to recompute with: the planner's estimate with the real keys, corrected by measured time.
#include "refresh/choice.h"

#include <cmath>

namespace tviews::refresh {

namespace {

constexpr int64 kKeepChoice = INT64CONST(60) * USECS_PER_SEC;  // tables grow without telling
constexpr double kSurprise = 3.0;                              // slower than estimated by this: look at the other form
constexpr double kWorthBothering = 2000.0;                     // microseconds

HTAB* choices;
double us_per_cost = 1.0;  // this machine's time for one unit of cost, over all statements
int samples;               // of it; the first ones count more

int At(Form form) { return form == Form::kSet ? 0 : 1; }
Form Other(Form form) { return form == Form::kSet ? Form::kEach : Form::kSet; }

}  // namespace

Choice* FindChoice(Oid tview, size_t keys) {
  if (choices == nullptr) {
    HASHCTL control = {};
    control.keysize = offsetof(Choice, form);
    control.entrysize = sizeof(Choice);
    control.hcxt = CacheMemoryContext;
    choices = hash_create("pg_tviews forms", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  }
  Choice key = {};
  key.tview = tview;
  key.size_class = keys <= 1 ? 0 : keys <= 16 ? 1 : keys <= 256 ? 2 : keys <= 2048 ? 3 : 4;
  bool found;
  Choice* choice = static_cast<Choice*>(hash_search(choices, &key, HASH_ENTER, &found));
  if (!found) {
    *choice = key;
  }
  return choice;
}

bool ChoiceIsDue(const Choice* choice, TimestampTz now) { return choice->chosen_at == 0 || now - choice->chosen_at > kKeepChoice; }

void SetCosts(Choice* choice, double set_cost, double each_cost, TimestampTz now) {
  const double costs[2] = {set_cost, each_cost};
  for (int i = 0; i < 2; ++i) {
    // What was measured on a very different plan says nothing.
    if (choice->cost[i] > 0 && (costs[i] > 2 * choice->cost[i] || costs[i] < 0.5 * choice->cost[i])) {
      choice->us_per_key[i] = 0;
      choice->explored = false;
    }
    choice->cost[i] = costs[i];
  }
  choice->chosen_at = now;
  choice->form = set_cost <= each_cost ? Form::kSet : Form::kEach;
  const double* time = choice->us_per_key;
  if (time[0] > 0 && time[1] > 0) {
    choice->form = time[0] <= time[1] ? Form::kSet : Form::kEach;
  }
}

void Measured(Choice* choice, Form form, size_t keys, double microseconds) {
  const int at = At(form), other = At(Other(form));
  const double per_key = microseconds / (keys > 0 ? keys : 1);
  double* time = choice->us_per_key;
  time[at] = time[at] > 0 ? 0.8 * time[at] + 0.2 * per_key : per_key;
  const double expected = us_per_cost * choice->cost[at];
  if (choice->cost[at] > 0 && microseconds > 0) {
    samples = Min(samples + 1, 50);
    us_per_cost = std::exp(std::log(us_per_cost) + (std::log(microseconds / choice->cost[at]) - std::log(us_per_cost)) / samples);
  }
  if (time[other] > 0) {
    choice->form = time[0] <= time[1] ? Form::kSet : Form::kEach;
  } else if (!choice->explored && microseconds > kWorthBothering && microseconds > kSurprise * expected &&
             us_per_cost * choice->cost[other] < microseconds) {
    choice->explored = true;
    choice->form = Other(form);
  }
}

void ForgetChoices() {
  if (choices != nullptr) {
    hash_destroy(choices);
    choices = nullptr;
  }
}

}  // namespace tviews::refresh
