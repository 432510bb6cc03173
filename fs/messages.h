// The protocol's messages as one variant, and their bytes: one tag, then the fields in order.
#pragma once

#include <variant>
#include <vector>

#include "commit/messages.h"
#include "dsm/messages.h"
#include "utils/base/bytes.h"
#include "utils/base/result.h"

namespace dspm::fs {

using Message =
    std::variant<dsm::Fetch, dsm::Data, dsm::FetchAttr, dsm::Attr, dsm::Inval, dsm::Invalidated,
                 commit::Commit, commit::Decided, commit::Done, commit::Refused, commit::Collect,
                 commit::Position, commit::Pull, commit::Pulled, commit::Append, commit::AppendAck,
                 commit::Drop, commit::Dropped>;

// `head`, then the pages in order, is one message: pages go to the wire from where they lie.
struct Encoded {
  Bytes head;
  std::vector<PageRef> pages;
};
Encoded encode(const Message& message);

// Trusts nothing: Status::corrupt for anything that no encode() made within the limits.
Result<Message> decode(ByteSpan bytes);

// Name of the message's kind, for traces and counters.
const char* kind_of(const Message& message);

}  // namespace dspm::fs
