#include "namespace/tree/operation.h"

#include <utility>

namespace dspm::names {
namespace {

struct Running : std::enable_shared_from_this<Running> {
  std::shared_ptr<TreeContext> context;
  Operation op;
  Time deadline;

  void read() {
    context->store.get(op.keys, [self = shared_from_this()](Result<Snapshot> seen) {
      if (self->context->closed) return;
      if (!seen) return self->op.done(seen.error());
      self->read_more(*seen);
    });
  }
  void read_more(const Snapshot& seen) {
    if (!op.more) return attempt(seen);
    Result<std::vector<Key>> more = op.more(seen);
    if (!more) return op.done(more.error());
    if (more->empty()) return attempt(seen);
    std::vector<Key> keys = op.keys;
    keys.insert(keys.end(), more->begin(), more->end());
    context->store.get(std::move(keys), [self = shared_from_this()](Result<Snapshot> all) {
      if (self->context->closed) return;
      if (!all) return self->op.done(all.error());
      self->attempt(*all);
    });
  }
  void attempt(const Snapshot& seen) {
    Result<Txn> txn = op.build(seen);
    if (!txn) return op.done(txn.error());
    txn->id = {context->options.self, context->options.incarnation, ++context->sequence};
    txn->done_below = context->sequence > 4096 ? context->sequence - 4096 : 0;
    context->store.txn(*txn, [self = shared_from_this(), id = txn->id](TxnReply reply) {
      if (!self->context->closed) self->answered(id, reply);
    });
  }
  void answered(const TxnId& id, const TxnReply& reply) {
    switch (reply.outcome) {
      case TxnOutcome::committed:
        return op.done(reply.rev);
      case TxnOutcome::lost:
        if (context->options.now() < deadline) return read();
        return op.done(Error{Status::timed_out, "names: too many others change the same"});
      case TxnOutcome::refused:
        return op.done(Error{Status::unavailable, reply.what});
      case TxnOutcome::unknown:
        if (context->options.now() >= deadline) {
          return op.done(Error{Status::unknown, reply.what});
        }
        context->store.outcome(id, [self = shared_from_this(), id](TxnReply again) {
          if (!self->context->closed) self->answered(id, again);
        });
    }
  }
};

}  // namespace

void run(const std::shared_ptr<TreeContext>& context, Operation operation) {
  auto running = std::make_shared<Running>();
  running->context = context;
  running->op = std::move(operation);
  running->deadline = context->options.now() + context->options.retry_timeout;
  running->read();
}

}  // namespace dspm::names
