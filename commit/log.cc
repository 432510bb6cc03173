#include "commit/log.h"

#include <algorithm>
#include <cstring>

#include "commit/fragment.h"
#include "utils/base/check.h"
#include "utils/base/planted.h"

namespace dspm::commit {

std::uint64_t physical_length(std::uint64_t payload, std::uint64_t fragment) {
  std::uint64_t full = payload / fragment, rest = payload % fragment;
  return full * fragment_length(fragment) + (rest > 0 || full == 0 ? fragment_length(rest) : 0);
}

Log::Log(Pmem& pmem, const Shape& shape, LogEnd end)
    : pmem_(pmem), shape_(shape), end_(end), durable_(end.position) {
  fences_ = fences_done_ = pmem.fences_done();
}

void Log::write(std::uint64_t position, ByteSpan bytes) {
  while (!bytes.empty()) {
    const std::uint64_t place = position % shape_.ring;
    const std::size_t n = std::min<std::uint64_t>(bytes.size(), shape_.ring - place);
    pmem_.append(format::kRing + place, bytes.first(n));
    bytes = bytes.subspan(n);
    position += n;
  }
  unfenced_ = true;
}

void Log::put_fragment(const Label& label, std::uint16_t index, std::uint16_t count,
                       ByteSpan payload) {
  format::Fragment header{};
  header.position = end_.position;
  header.lsn = label.lsn.value;
  header.durable = durable_;
  if (planted(Planted::durable_is_end)) header.durable = end_.position + 1;
  header.decided = planted(Planted::decided_not_logged) ? 0 : label.decided.value;
  header.length = std::uint32_t(payload.size());
  header.previous_crc = end_.previous_crc;
  header.group = label.group.value;
  header.index = index;
  header.count = count;
  header.kind = std::uint8_t(label.kind);
  header.pool_tag = shape_.pool_tag;
  end_.previous_crc = seal(header, payload);
  Bytes bytes(fragment_length(payload.size()));
  std::memcpy(bytes.data(), &header, sizeof header);
  std::copy(payload.begin(), payload.end(), bytes.begin() + sizeof header);
  write(end_.position, bytes);
  end_.position += bytes.size();
}

void Log::put(const Label& label, ByteSpan payload, std::uint64_t keep) {
  const std::uint64_t length = physical_length(payload.size(), shape_.fragment);
  DSPM_CHECK(end_.position + length - keep <= shape_.ring, end_.position, length, keep,
             shape_.ring);
  const std::uint64_t count =
      std::max<std::uint64_t>(1, (payload.size() + shape_.fragment - 1) / shape_.fragment);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t n = std::min<std::size_t>(payload.size(), shape_.fragment);
    put_fragment(label, std::uint16_t(i), std::uint16_t(count), payload.first(n));
    payload = payload.subspan(n);
  }
}

void Log::put_anchor(std::uint64_t checkpoint, std::uint64_t head) {
  format::Anchor anchor{};
  anchor.pool_tag = shape_.pool_tag;
  anchor.checkpoint = checkpoint;
  anchor.head = head;
  seal(anchor);
  pmem_.append(checkpoint % 2 * format::kBlock, std::as_bytes(std::span(&anchor, 1)));
  unfenced_ = true;
}

void Log::fence() {
  if (!unfenced_) return;
  unfenced_ = false;
  fences_ = pmem_.fence();
  under_way_.push_back({fences_, end_.position});
}

void Log::poll() {
  fences_done_ = pmem_.fences_done();
  while (!under_way_.empty() && under_way_.front().number <= fences_done_) {
    durable_ = under_way_.front().position;
    under_way_.pop_front();
  }
}

}  // namespace dspm::commit
