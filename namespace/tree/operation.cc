#include "namespace/tree/operation.h"

#include <algorithm>
#include <utility>

#include "namespace/tree/inode.h"

namespace dspm::names {
namespace {

constexpr std::size_t kMaxGuesses = 65'536;  // some 8 MiB; all are dropped when it is full

struct Reading : std::enable_shared_from_this<Reading> {
  std::shared_ptr<TreeContext> context;
  std::vector<Key> keys, asked;
  MoreKeys more;
  Time deadline;
  SnapshotDone done;

  void read() {
    context->store.get(asked, [self = shared_from_this()](Result<Snapshot> seen) {
      if (self->context->closed) return;
      if (!seen) return self->done(seen.error());
      self->look(*std::move(seen));
    });
  }
  void look(Snapshot seen) {
    if (!more) return done(std::move(seen));
    Result<std::vector<Key>> needed = more(seen);
    if (!needed) return done(needed.error());
    const bool settled = std::all_of(needed->begin(), needed->end(), [&](const Key& key) {
      return std::find(asked.begin(), asked.end(), key) != asked.end();
    });
    learn_names(seen);
    if (settled) return done(std::move(seen));
    if (context->options.now() >= deadline) {
      return done(Error{Status::timed_out, "names: what was read keeps changing"});
    }
    asked = keys;
    asked.insert(asked.end(), needed->begin(), needed->end());
    read();
  }
  void guess() {
    asked = keys;
    if (!more) return;
    for (const Key& key : keys) {
      const auto it = context->guesses.find(key);
      if (it != context->guesses.end()) asked.push_back(inode_key(it->second));
    }
  }
  void learn_names(const Snapshot& seen) {
    for (const Key& key : keys) {
      if (!key.starts_with("ns/")) continue;
      const Entry* entry = seen.find(key);
      if (entry == nullptr) {
        context->guesses.erase(key);
      } else if (const auto child = decode_entry(entry->value)) {
        context->learn(key, child->ino);
      }
    }
  }
};

struct Running : std::enable_shared_from_this<Running> {
  std::shared_ptr<TreeContext> context;
  Operation op;
  Time deadline;

  void read() {
    read_settled(context, op.keys, op.more, deadline,
                 [self = shared_from_this()](Result<Snapshot> seen) {
                   if (!seen) return self->op.done(seen.error());
                   self->attempt(*seen);
                 });
  }
  void attempt(const Snapshot& seen) {
    Result<Txn> txn = op.build(seen);
    if (!txn) return op.done(txn.error());
    txn->id = {context->options.self, context->options.incarnation, ++context->sequence};
    context->open.insert(txn->id.sequence);
    txn->done_below = *context->open.begin();
    const TxnId id = txn->id;
    context->store.txn(*std::move(txn), [self = shared_from_this(), id](TxnReply reply) {
      if (!self->context->closed) self->answered(id, reply);
    });
  }
  void answered(const TxnId& id, const TxnReply& reply) {
    const bool in_time = context->options.now() < deadline;
    if (reply.outcome == TxnOutcome::unknown && in_time) {
      return context->store.outcome(id, [self = shared_from_this(), id](TxnReply again) {
        if (!self->context->closed) self->answered(id, again);
      });
    }
    context->open.erase(id.sequence);
    switch (reply.outcome) {
      case TxnOutcome::committed:
        return op.done(reply.rev);
      case TxnOutcome::lost:
        if (in_time) return read();
        return op.done(Error{Status::timed_out, "names: too many others change the same"});
      case TxnOutcome::refused:
        return op.done(Error{Status::unavailable, reply.what});
      case TxnOutcome::unknown:
        return op.done(Error{Status::unknown, reply.what});
    }
  }
};

}  // namespace

void TreeContext::learn(const Key& name, Ino ino) {
  if (guesses.size() >= kMaxGuesses) guesses.clear();
  guesses[name] = ino;
}

void read_settled(const std::shared_ptr<TreeContext>& context, std::vector<Key> keys, MoreKeys more,
                  Time deadline, SnapshotDone done) {
  auto reading = std::make_shared<Reading>();
  reading->context = context;
  reading->keys = std::move(keys);
  reading->more = std::move(more);
  reading->deadline = deadline;
  reading->done = std::move(done);
  reading->guess();
  reading->read();
}

void run(const std::shared_ptr<TreeContext>& context, Operation operation) {
  auto running = std::make_shared<Running>();
  running->context = context;
  running->op = std::move(operation);
  running->deadline = context->deadline();
  running->read();
}

void later_on_loop(const std::shared_ptr<TreeContext>& context, std::function<void()> then) {
  context->store.get({}, [context, then = std::move(then)](const Result<Snapshot>&) {
    if (!context->closed) then();
  });
}

}  // namespace dspm::names
