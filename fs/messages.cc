#include "fs/messages.h"

#include <type_traits>
#include <utility>

#include "commit/group_codec.h"
#include "utils/base/limits.h"
#include "utils/base/object_codec.h"

namespace dspm::fs {
namespace {

using commit::Commit;
using commit::Decided;
using commit::Done;
using commit::Refused;
using commit::Settlement;
using dsm::Attr;
using dsm::Data;
using dsm::Fetch;
using dsm::FetchAttr;
using dsm::Inval;
using dsm::Invalidated;

constexpr std::uint64_t kMaxPagesFetched = 4096;  // 16 MiB in one answer

// ---- parts: one put and one get each, in the same order

void put(Writer& w, const Change& change) {
  w.put(change.ino);
  w.put(change.generation);
  put(w, change.extents);
  w.put(change.grow_to);
  w.put(std::uint8_t(change.set_size.has_value()));
  w.put(change.set_size.value_or(0));
  put(w, change.touch);
  w.put(std::uint8_t(change.times.has_value()));
  if (change.times) {
    put(w, change.times->atime);
    put(w, change.times->mtime);
    w.put(change.times->ctime.ns);
  }
  put(w, change.unread_copies);
}
void get(Reader& r, Change& change) {
  r.get(change.ino);
  r.get(change.generation);
  get(r, change.extents);
  r.get(change.grow_to);
  const auto has_size = r.get<std::uint8_t>();
  const auto size = r.get<std::uint64_t>();
  if (has_size > 1 || size > kMaxObjectSize || change.grow_to > kMaxObjectSize) r.fail();
  if (has_size) change.set_size = size;
  get(r, change.touch);
  const auto has_times = r.get<std::uint8_t>();
  if (has_times > 1) r.fail();
  if (has_times) {
    change.times.emplace();
    get(r, change.times->atime);
    get(r, change.times->mtime);
    r.get(change.times->ctime.ns);
  }
  get(r, change.unread_copies);
}

void put(Writer& w, const Settlement& settlement) {
  w.put(settlement.version);
  w.put(std::uint32_t(settlement.pages.size()));
  for (const ReplacedPage& page : settlement.pages) {
    w.put(page.page);
    w.put(page.replaced);
    w.put(std::uint8_t(page.covered));
  }
  put(w, settlement.header);
}
void get(Reader& r, Settlement& settlement) {
  r.get(settlement.version);
  settlement.pages.resize(r.count(17));
  for (ReplacedPage& page : settlement.pages) {
    r.get(page.page);
    r.get(page.replaced);
    page.covered = r.get<std::uint8_t>() != 0;
  }
  get(r, settlement.header);
}

// ---- messages: what all begin with, then the rest of each

template <class M>
void put_common(Writer& w, const M& m) {
  w.put(m.group);
  w.put(m.epoch);
}
template <class M>
void get_common(Reader& r, M& m) {
  r.get(m.group);
  r.get(m.epoch);
}

void put(Writer& w, const Fetch& m) {
  w.put(m.ino);
  w.put(m.request);
  w.put(m.pages.first);
  w.put(m.pages.count);
  put(w, m.asked);
}
void get(Reader& r, Fetch& m) {
  r.get(m.ino);
  r.get(m.request);
  get(r, m.pages);
  if (m.pages.count > kMaxPagesFetched) r.fail();
  get(r, m.asked);
}

void put(Writer& w, const Data& m) {
  w.put(m.ino);
  w.put(m.request);
  put(w, m.asked);
  w.put(std::uint8_t(m.contains));
  w.put(m.generation);
  w.put(std::uint32_t(m.pages.size()));
  for (const dsm::DataPage& page : m.pages) {
    w.put(page.page);
    w.put(page.version);
    w.put(std::uint8_t(page.bytes != zero_page()));  // zeros are not sent
  }
}
void get(Reader& r, Data& m) {
  r.get(m.ino);
  r.get(m.request);
  get(r, m.asked);
  m.contains = r.get<std::uint8_t>() != 0;
  r.get(m.generation);
  m.pages.resize(r.count(17));
  if (m.pages.size() > kMaxPagesFetched) r.fail();
  std::vector<bool> sent;
  for (dsm::DataPage& page : m.pages) {
    r.get(page.page);
    r.get(page.version);
    sent.push_back(r.get<std::uint8_t>() != 0);
  }
  for (std::size_t i = 0; i < m.pages.size() && r.ok(); ++i) {
    m.pages[i].bytes = zero_page();
    if (!sent[i]) continue;
    const ByteSpan bytes = r.raw(kPageSize);
    if (!r.ok()) break;
    auto own = std::make_shared<PageBytes>();
    std::memcpy(own->data.data(), bytes.data(), kPageSize);
    m.pages[i].bytes = std::move(own);
  }
}

void put(Writer& w, const FetchAttr& m) {
  w.put(m.ino);
  w.put(m.request);
}
void get(Reader& r, FetchAttr& m) {
  r.get(m.ino);
  r.get(m.request);
}

void put(Writer& w, const Attr& m) {
  w.put(m.ino);
  w.put(m.request);
  put(w, m.header);
  put(w, m.times);
}
void get(Reader& r, Attr& m) {
  r.get(m.ino);
  r.get(m.request);
  get(r, m.header);
  get(r, m.times);
}

void put(Writer& w, const Inval& m) {
  w.put(m.ino);
  w.put(m.version);
  put(w, m.pages);
  w.put(std::uint8_t(m.header.has_value()));
  if (m.header) put(w, *m.header);
}
void get(Reader& r, Inval& m) {
  r.get(m.ino);
  r.get(m.version);
  get(r, m.pages);
  const auto has = r.get<std::uint8_t>();
  if (has > 1) r.fail();
  if (has) get(r, m.header.emplace());
}

void put(Writer& w, const Invalidated& m) {
  w.put(m.ino);
  w.put(m.version);
  put(w, m.pages);
  w.put(std::uint8_t(m.header));
}
void get(Reader& r, Invalidated& m) {
  r.get(m.ino);
  r.get(m.version);
  get(r, m.pages);
  m.header = r.get<std::uint8_t>() != 0;
}

void put(Writer& w, const Commit& m) {
  put(w, m.id);
  w.put(m.attempt);
  w.put(m.done_below);
  w.put(std::uint8_t(m.was_decided));
  put(w, m.change);
}
void get(Reader& r, Commit& m) {
  get(r, m.id);
  r.get(m.attempt);
  r.get(m.done_below);
  const auto was_decided = r.get<std::uint8_t>();
  if (was_decided > 1) r.fail();
  m.was_decided = was_decided != 0;
  get(r, m.change);
}

template <class M>
void put_settled(Writer& w, const M& m) {
  w.put(m.ino);
  put(w, m.id);
  put(w, m.settlement);
}
template <class M>
void get_settled(Reader& r, M& m) {
  r.get(m.ino);
  get(r, m.id);
  get(r, m.settlement);
}
void put(Writer& w, const Decided& m) { put_settled(w, m); }
void get(Reader& r, Decided& m) { get_settled(r, m); }
void put(Writer& w, const Done& m) { put_settled(w, m); }
void get(Reader& r, Done& m) { get_settled(r, m); }

void put(Writer& w, const Refused& m) {
  w.put(m.ino);
  put(w, m.id);
  w.put(m.attempt);
  w.put(std::uint8_t(m.reason));
  put(w, m.header);
}
void get(Reader& r, Refused& m) {
  r.get(m.ino);
  get(r, m.id);
  r.get(m.attempt);
  const auto reason = r.get<std::uint8_t>();
  m.reason = Status(reason);
  if (m.reason != Status::gone && m.reason != Status::no_space && m.reason != Status::unknown) {
    r.fail();
  }
  get(r, m.header);
}

template <std::size_t Tag = 0>
bool decode_as(std::uint8_t tag, Reader& r, Message& out) {
  if constexpr (Tag == std::variant_size_v<Message>) {
    return false;
  } else {
    if (tag != Tag) return decode_as<Tag + 1>(tag, r, out);
    auto& m = out.emplace<Tag>();
    get_common(r, m);
    get(r, m);
    return r.finished();
  }
}

}  // namespace

Encoded encode(const Message& message) {
  Writer w;
  Encoded out;
  w.put(std::uint8_t(message.index()));
  std::visit(
      [&](const auto& m) {
        put_common(w, m);
        put(w, m);
        if constexpr (std::is_same_v<std::decay_t<decltype(m)>, Data>) {
          for (const dsm::DataPage& page : m.pages) {
            if (page.bytes != zero_page()) out.pages.push_back(page.bytes);
          }
        }
      },
      message);
  out.head = w.take();
  return out;
}

Result<Message> decode(ByteSpan bytes) {
  Reader r(bytes);
  const auto tag = r.get<std::uint8_t>();
  Message message;
  if (!r.ok() || !decode_as(tag, r, message)) {
    return Error{Status::corrupt, "message of kind " + std::to_string(tag) + " does not decode"};
  }
  return message;
}

const char* kind_of(const Message& message) {
  static constexpr const char* kNames[] = {
      "Fetch",  "Data",    "FetchAttr", "Attr",      "Inval",   "Invalidated",
      "Commit", "Decided", "Done",      "Refused",   "Collect", "Position",
      "Pull",   "Pulled",  "Append",    "AppendAck", "Drop",    "Dropped"};
  static_assert(std::size(kNames) == std::variant_size_v<Message>);
  return kNames[message.index()];
}

}  // namespace dspm::fs
