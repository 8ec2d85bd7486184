// DDL on types that TVIEWs see: values change their text or their shape without a trigger.
#pragma once

#include "sql/watch.h"

namespace tviews::sql {

// ALTER TYPE ... RENAME VALUE.
void AfterEnumChange(const AlterEnumStmt* statement);

// ALTER TYPE of a composite type: an attribute came, went, was renamed or got another type; tables OF the type follow.
// REQUIRES: watched.relation is the type's.
void AfterCompositeChange(const Watched& watched);

// watch_after.cpp
// Derives and reconciles each of them.
void RegisterAgainAll(const List* tviews);
// A column of a relation was renamed: capture points keep their numbers, so that records on their way stay known.
void RenameInPoints(Oid relation, const char* old_name, const char* new_name);

}  // namespace tviews::sql
