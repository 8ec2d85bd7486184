// What an apply pass holds open; private to write_group.cpp and write_row.cpp.
#pragma once

#include "refresh/write_row.h"

namespace tviews::refresh {

// A row whose uniqueness is to be checked at the end of its group.
struct Suspect {
  ItemPointerData tid;
  Oid index;
  int64 tag;
};

struct Writer {
  const Target* target;
  EState* estate;
  ResultRelInfo* result;
  EPQState epq;
  TupleTableSlot* stored;
  TupleTableSlot* fresh;
  IndexScanDesc dirty_scan;
  SnapshotData dirty;
  ExprState** defaults;  // per attribute of the table; built at the first insert
  TransitionCaptureState* transition;
  MemoryContext own;
  List* suspects;  // of Suspect*
  Op op;
  int64 tag;
};

}  // namespace tviews::refresh
