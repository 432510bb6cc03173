// Bytes of what the members of a group say to each other; group and epoch, with which each message
// begins, are left to the caller. A get() trusts nothing: it makes the Reader fail.
#pragma once

#include "commit/messages.h"
#include "utils/base/bytes.h"

namespace dspm::commit {

void put(Writer& w, const Collect& m);
void get(Reader& r, Collect& m);
void put(Writer& w, const Position& m);
void get(Reader& r, Position& m);
void put(Writer& w, const Pull& m);
void get(Reader& r, Pull& m);
void put(Writer& w, const Pulled& m);
void get(Reader& r, Pulled& m);
void put(Writer& w, const Append& m);
void get(Reader& r, Append& m);
void put(Writer& w, const AppendAck& m);
void get(Reader& r, AppendAck& m);
void put(Writer& w, const Drop& m);
void get(Reader& r, Drop& m);
void put(Writer& w, const Dropped& m);
void get(Reader& r, Dropped& m);

}  // namespace dspm::commit
