// Bytes of the words that messages and log records share: one put and one get each, the same
// fields in the same order, little endian. A get() trusts nothing: it makes the Reader fail.
#pragma once

#include <optional>
#include <vector>

#include "utils/base/bytes.h"
#include "utils/base/object.h"

namespace dspm {

void put(Writer& w, const CommitId& id);
void get(Reader& r, CommitId& id);
void put(Writer& w, const std::optional<WallTime>& time);
void get(Reader& r, std::optional<WallTime>& time);
void get(Reader& r, PageRun& run);
void put(Writer& w, const PageRuns& runs);
void get(Reader& r, PageRuns& runs);
void put(Writer& w, const Header& header);
void get(Reader& r, Header& header);
void put(Writer& w, const Times& times);
void get(Reader& r, Times& times);
// Ascending, none empty, none overlapping, none beyond the largest object.
void put(Writer& w, const std::vector<Extent>& extents);
void get(Reader& r, std::vector<Extent>& extents);

}  // namespace dspm
