#include "utils/base/object_codec.h"

#include "utils/base/limits.h"

namespace dspm {
namespace {
constexpr std::uint64_t kMaxPageNo = std::uint64_t{1} << 52;
}  // namespace

void put(Writer& w, const CommitId& id) {
  w.put(id.node);
  w.put(id.incarnation);
  w.put(id.sequence);
}
void get(Reader& r, CommitId& id) {
  r.get(id.node);
  r.get(id.incarnation);
  r.get(id.sequence);
}

void put(Writer& w, const std::optional<WallTime>& t) {
  w.put(std::uint8_t(t.has_value()));
  w.put(t ? t->ns : std::int64_t{0});
}
void get(Reader& r, std::optional<WallTime>& t) {
  const auto has = r.get<std::uint8_t>();
  const auto ns = r.get<std::int64_t>();
  if (has > 1) r.fail();
  t = has ? std::optional(WallTime{ns}) : std::nullopt;
}

void put(Writer& w, const PageRuns& runs) {
  w.put(std::uint32_t(runs.size()));
  for (const PageRun& run : runs) {
    w.put(run.first);
    w.put(run.count);
  }
}
void get(Reader& r, PageRun& run) {
  r.get(run.first);
  r.get(run.count);
  if (run.count > kMaxPagesNamed || run.first.value > kMaxPageNo - run.count) r.fail();
}
void get(Reader& r, PageRuns& runs) {
  runs.resize(r.count(16));
  std::uint64_t total = 0;
  for (PageRun& run : runs) {
    get(r, run);
    total += run.count;
    if (total > kMaxPagesNamed) r.fail();
    if (!r.ok()) return runs.clear();
  }
}

void put(Writer& w, const Header& header) {
  w.put(header.version);
  w.put(header.size);
  w.put(header.generation);
  w.put(std::uint32_t(header.cuts.size()));
  for (const Cut& cut : header.cuts) {
    w.put(cut.generation);
    w.put(cut.size);
  }
}
void get(Reader& r, Header& header) {
  r.get(header.version);
  r.get(header.size);
  r.get(header.generation);
  header.cuts.resize(r.count(16));
  if (header.cuts.size() > kMaxCuts || header.size > kMaxObjectSize) r.fail();
  for (Cut& cut : header.cuts) {
    r.get(cut.generation);
    r.get(cut.size);
  }
}

void put(Writer& w, const Times& times) {
  put(w, times.mtime);
  put(w, times.ctime);
  put(w, times.atime);
  w.put(times.blocks);
  w.put(times.data_version);
}
void get(Reader& r, Times& times) {
  get(r, times.mtime);
  get(r, times.ctime);
  get(r, times.atime);
  r.get(times.blocks);
  r.get(times.data_version);
}

void put(Writer& w, const std::vector<Extent>& extents) {
  w.put(std::uint32_t(extents.size()));
  for (const Extent& extent : extents) {
    w.put(extent.offset);
    w.blob(extent.bytes);
  }
}
void get(Reader& r, std::vector<Extent>& extents) {
  extents.resize(r.count(13));  // offset, length, one byte
  std::uint64_t end = 0;
  for (Extent& extent : extents) {
    r.get(extent.offset);
    const ByteSpan bytes = r.blob(kMaxFrame);
    extent.bytes.assign(bytes.begin(), bytes.end());
    if (bytes.empty() || extent.offset < end || extent.offset > kMaxObjectSize - bytes.size()) {
      r.fail();
    }
    if (!r.ok()) return extents.clear();
    end = extent.end();
  }
}

}  // namespace dspm
