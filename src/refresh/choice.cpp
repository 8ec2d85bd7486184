// Which form to recompute with: the planner's estimate with the real keys, corrected by measured time.
#include "refresh/choice.h"

namespace tviews::refresh {

namespace {

constexpr int64 kKeepChoice = INT64CONST(60) * USECS_PER_SEC;  // tables grow without telling
// The planner takes index probes for cold reads: the other form is tried once unless it is held for this much dearer.
constexpr double kWorthATry = 8.0;
constexpr int kTries = 2;
constexpr double kHopeless = 4.0;  // once measured to be slower by this, it is not tried again

HTAB* choices;

int At(Form form) { return form == Form::kSet ? 0 : 1; }
Form Other(Form form) { return form == Form::kSet ? Form::kEach : Form::kSet; }
Form Faster(const Choice* choice) { return choice->us_per_key[0] <= choice->us_per_key[1] ? Form::kSet : Form::kEach; }

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
      choice->runs[i] = 0;
    }
    choice->cost[i] = costs[i];
  }
  choice->chosen_at = now;
  choice->form = set_cost <= each_cost ? Form::kSet : Form::kEach;
  if (choice->runs[0] > 0 && choice->runs[1] > 0) {
    choice->form = Faster(choice);
  }
}

void Measured(Choice* choice, Form form, size_t keys, double microseconds) {
  const int at = At(form), other = At(Other(form));
  const double per_key = microseconds / (keys > 0 ? keys : 1);
  double* time = choice->us_per_key;
  // The first run may have met cold caches.
  time[at] = choice->runs[at] == 0 ? per_key : choice->runs[at] < kTries ? Min(time[at], per_key) : 0.8 * time[at] + 0.2 * per_key;
  choice->runs[at] = Min(choice->runs[at] + 1, kTries);
  if (choice->runs[other] > 0) {
    choice->form = Faster(choice);
  }
  const bool hopeless = choice->runs[other] > 0 ? time[other] > kHopeless * time[at] : choice->cost[other] > kWorthATry * choice->cost[at];
  if (choice->runs[other] < kTries && !hopeless) {
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
