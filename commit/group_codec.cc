#include "commit/group_codec.h"

#include "utils/base/limits.h"

namespace dspm::commit {
namespace {

void put(Writer& w, const std::vector<KernelCopy>& copies) {
  w.put(std::uint32_t(copies.size()));
  for (const KernelCopy& copy : copies) {
    w.put(copy.ino);
    w.put(copy.page);
    w.put(copy.version);
  }
}
void get(Reader& r, std::vector<KernelCopy>& copies) {
  copies.resize(r.count(24));
  for (KernelCopy& copy : copies) {
    r.get(copy.ino);
    r.get(copy.page);
    r.get(copy.version);
  }
}

void put(Writer& w, const std::vector<RecordRef>& records) {
  w.put(std::uint32_t(records.size()));
  for (const RecordRef& record : records) w.blob(encode(*record));
}
// Contiguous, or it is none.
void get(Reader& r, std::vector<RecordRef>& records) {
  const std::uint32_t n = r.count(4 + 17);
  records.reserve(n);
  for (std::uint32_t i = 0; i < n && r.ok(); ++i) {
    Result<Record> record = decode_record(r.blob(kMaxFrame));
    if (!record || (i > 0 && records.back()->lsn != record->previous)) return r.fail();
    records.push_back(std::make_shared<const Record>(*std::move(record)));
  }
}

}  // namespace

void put(Writer&, const Collect&) {}
void get(Reader&, Collect&) {}
void put(Writer&, const Drop&) {}
void get(Reader&, Drop&) {}
void put(Writer&, const Dropped&) {}
void get(Reader&, Dropped&) {}

void put(Writer& w, const Position& m) {
  w.put(m.applied);
  w.put(std::uint32_t(m.runs.size()));
  for (const RecordRun& run : m.runs) {
    w.put(run.first);
    w.put(run.count);
  }
  put(w, m.copies);
  w.put(m.space.log_bytes);
  w.put(m.space.frames);
}
void get(Reader& r, Position& m) {
  r.get(m.applied);
  m.runs.resize(r.count(16));
  Lsn last = m.applied;
  for (RecordRun& run : m.runs) {
    r.get(run.first);
    r.get(run.count);
    const std::uint64_t limit = std::uint64_t{1} << Lsn::kSequenceBits;
    if (run.count == 0 || run.first.sequence() != last.sequence() + 1 ||
        run.first.epoch() < last.epoch() || run.count >= limit - run.first.sequence()) {
      return r.fail();
    }
    last = Lsn(run.first.epoch(), run.first.sequence() + run.count - 1);
  }
  get(r, m.copies);
  r.get(m.space.log_bytes);
  r.get(m.space.frames);
}

void put(Writer& w, const Pull& m) { w.put(m.after); }
void get(Reader& r, Pull& m) { r.get(m.after); }

void put(Writer& w, const Pulled& m) {
  w.put(std::uint8_t(m.last));
  put(w, m.records);
}
void get(Reader& r, Pulled& m) {
  m.last = r.get<std::uint8_t>() != 0;
  get(r, m.records);
}

void put(Writer& w, const Append& m) {
  w.put(m.previous);
  w.put(m.decided);
  w.put(std::uint8_t(m.wants_space));
  put(w, m.records);
}
void get(Reader& r, Append& m) {
  r.get(m.previous);
  r.get(m.decided);
  m.wants_space = r.get<std::uint8_t>() != 0;
  get(r, m.records);
  if (!m.records.empty() && m.records.front()->previous != m.previous) r.fail();
}

void put(Writer& w, const AppendAck& m) {
  w.put(m.after);
  w.put(m.matched);
  w.put(m.trimmed);
  put(w, m.copies);
}
void get(Reader& r, AppendAck& m) {
  r.get(m.after);
  r.get(m.matched);
  r.get(m.trimmed);
  get(r, m.copies);
}

}  // namespace dspm::commit
