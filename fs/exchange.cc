#include "fs/exchange.h"

#include <utility>

#include "fs/errno.h"

namespace dspm::fs {

Exchange::Exchange(Device& device, Node& node, const Clock& clock)
    : device_(device), node_(node), clock_(clock) {}

void Exchange::ask(Unique unique, dsm::KernelEvent event, Then then) {
  waiting_[unique] = std::move(then);
  step_kernel(std::move(event));
}

void Exchange::ask_write(dsm::WriteRequest write) {
  waiting_[write.unique] = Write{std::uint32_t(write.bytes.size())};
  step_kernel(write);
}

void Exchange::ask_open(dsm::OpenRequest open) {
  waiting_[open.unique] = Open{open.handle};
  step_kernel(open);
}

void Exchange::answered(const dsm::KernelAnswer& answer) {
  const Unique unique = unique_of(answer);
  const auto found = waiting_.find(unique);
  if (found == waiting_.end()) return answer_plainly(answer);
  auto waiter = std::move(found->second);
  waiting_.erase(found);
  if (auto* then = std::get_if<Then>(&waiter)) return (*then)(answer);
  if (const Status status = status_of(answer); status != Status::ok)
    return fail(unique, errno_of(status));
  if (const auto* write = std::get_if<Write>(&waiter)) {
    fuse_write_out out{};
    out.size = write->size;
    return this->answer(unique, out);
  }
  fuse_open_out out{};
  out.fh = std::get<Open>(waiter).handle;
  out.open_flags = FOPEN_KEEP_CACHE;  // always [2-kernel rule 1]
  this->answer(unique, out);
}

void Exchange::answer_plainly(const dsm::KernelAnswer& answer) {
  if (const auto* read = std::get_if<dsm::ReadAnswer>(&answer))
    return device_.answer_pages(read->unique, read->pages, read->skip, read->size);
  fail(unique_of(answer), errno_of(status_of(answer)));
}

}  // namespace dspm::fs
