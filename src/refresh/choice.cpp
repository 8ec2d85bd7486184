// Which form to recompute with: the planner's estimate with the real keys, corrected by measured time.
#include "refresh/choice.h"

namespace tviews::refresh {

namespace {

constexpr int64 kKeepChoice = INT64CONST(60) * USECS_PER_SEC;  // tables grow without telling
HTAB* choices;

}  // namespace

Choice* FindChoice(Oid tview, size_t keys) {
  if (choices == nullptr) {
    HASHCTL control = {};
    control.keysize = offsetof(Choice, ways);
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
  core::TakeCosts(&choice->ways, set_cost, each_cost);
  choice->chosen_at = now;
}

Form ChosenForm(const Choice* choice) { return choice->ways.way == 0 ? Form::kSet : Form::kEach; }

double ChosenCost(const Choice* choice) { return choice->ways.cost[choice->ways.way]; }

void Measured(Choice* choice, Form form, size_t keys, double microseconds) {
  core::TakeTime(&choice->ways, form == Form::kSet ? 0 : 1, microseconds / (keys > 0 ? keys : 1));
}

void ForgetChoices() {
  if (choices != nullptr) {
    hash_destroy(choices);
    choices = nullptr;
  }
}

}  // namespace tviews::refresh
