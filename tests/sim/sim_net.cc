#include "tests/sim/sim_net.h"

#include <algorithm>

namespace dspm::sim {

SimNet::SimNet(Scheduler& scheduler, NetOptions options, Deliver deliver, Up up)
    : scheduler_(scheduler), options_(options), deliver_(std::move(deliver)), up_(std::move(up)) {}

fs::Message SimNet::through_wire(const fs::Message& message) {
  const fs::Encoded encoded = fs::encode(message);
  Bytes frame = encoded.head;
  for (const PageRef& page : encoded.pages)
    frame.insert(frame.end(), page->data.begin(), page->data.end());
  auto decoded = fs::decode(frame);
  if (!decoded) {
    scheduler_.fail(std::string("a message does not decode: ") + fs::kind_of(message));
    return message;
  }
  return *std::move(decoded);
}

void SimNet::send(NodeId from, NodeId to, const fs::Message& message) {
  messages_++;
  scheduler_.mix(message.index() * 31 + to.value);
  fs::Message sent = scheduler_.percent(options_.encode_percent) ? through_wire(message) : message;
  if (auto* data = std::get_if<dsm::Data>(&sent)) {  // the sender's frames do not cross the wire
    for (dsm::DataPage& page : data->pages)
      if (page.bytes != zero_page()) page.bytes = copy_page(*page.bytes);
  }
  if (scheduler_.percent(options_.duplicate_percent))
    send_once(from, to, sent, scheduler_.below(1000));
  send_once(from, to, std::move(sent), 0);
}

void SimNet::send_once(NodeId from, NodeId to, fs::Message message, std::uint64_t more_us) {
  Pair& p = pair(from, to);
  if (p.down) return;
  if (held_kinds_.contains({from, to, message.index()})) {
    held_.emplace_back(from, to, std::move(message));
    return;
  }
  const auto us = 3 + more_us +
                  scheduler_.below(scheduler_.percent(options_.slow_percent) ? options_.slow_us
                                                                             : options_.fast_us);
  const std::uint64_t kind = message.index() < options_.kind_us.size()
                                 ? scheduler_.below(options_.kind_us[message.index()])
                                 : 0;
  Time& last = lanes_[{from, to, message.index()}];
  last = std::max(last + std::chrono::microseconds(1),
                  scheduler_.now() + std::chrono::microseconds(us + kind));
  const Time at = last;
  if (more_us > 0) last = std::min(last, scheduler_.now());  // a repetition delays nobody
  scheduler_.after(at - scheduler_.now(),
                   [this, from, to, life = p.life, message = std::move(message)] {
                     if (pair(from, to).life == life) deliver_(from, to, message);
                   });
}

void SimNet::release_index(std::size_t kind) {
  std::erase_if(held_kinds_, [&](const auto& h) { return std::get<2>(h) == kind; });
  auto held = std::exchange(held_, {});
  for (auto& [from, to, message] : held) {
    if (message.index() == kind)
      send_once(from, to, std::move(message), 0);
    else
      held_.emplace_back(from, to, std::move(message));
  }
}

void SimNet::release() {
  for (std::size_t kind = 0; kind < std::variant_size_v<fs::Message>; kind++) release_index(kind);
}

void SimNet::cut(NodeId a, NodeId b, std::uint64_t down_us) {
  Pair& p = pair(a, b);
  scheduler_.say("connection n", a, " - n", b, " is cut");
  p.life++;
  if (std::exchange(p.down, true)) return;
  scheduler_.after_us(down_us, [this, a, b] {
    pair(a, b).down = false;
    scheduler_.say("connection n", a, " - n", b, " is up");
    up_(a, b);
  });
}

namespace {
void print(std::ostream& out, const PageRuns& runs) {
  for (const PageRun& r : runs) out << " p" << r.first << '+' << r.count;
}
void print(std::ostream& out, const Header& h) {
  out << " header " << h.version << " size " << h.size << " gen " << h.generation;
}
}  // namespace

std::string describe(const fs::Message& message) {
  std::ostringstream out;
  out << fs::kind_of(message);
  std::visit(
      [&](const auto& m) {
        if constexpr (requires { m.ino; }) out << " o" << m.ino;
        if constexpr (requires { m.request; }) out << " r" << m.request;
        if constexpr (requires { m.group; }) out << " g" << m.group;
        if constexpr (requires { m.version; }) out << " v" << m.version;
        if constexpr (requires { m.id; }) out << " " << m.id;
        if constexpr (requires { m.asked; }) out << " asked " << m.asked;
        if constexpr (requires { m.contains; }) out << (m.contains ? " contained" : "");
        if constexpr (requires { m.matched; })
          out << " after " << m.after << " matched " << m.matched;
        if constexpr (requires { m.decided.value; }) out << " decided " << m.decided;
        if constexpr (requires { m.records; }) {
          for (const auto& r : m.records) out << " " << r->lsn << (r->id ? "" : " view");
        }
        if constexpr (requires { m.applied; }) out << " applied " << m.applied;
        if constexpr (requires { m.runs; }) {
          for (const auto& run : m.runs) out << " " << run.first << '+' << run.count;
        }
        if constexpr (requires { m.copies; }) {
          for (const auto& c : m.copies)
            out << " o" << c.ino << " p" << c.page << " v" << c.version;
        }
        if constexpr (requires { m.attempt; }) out << " attempt " << m.attempt;
        if constexpr (requires { m.header.version; }) print(out, m.header);
      },
      message);
  if (const auto* f = std::get_if<dsm::Fetch>(&message)) print(out, PageRuns{f->pages});
  if (const auto* d = std::get_if<dsm::Data>(&message))
    for (const auto& p : d->pages) out << " p" << p.page << " v" << p.version;
  if (const auto* i = std::get_if<dsm::Inval>(&message)) {
    print(out, i->pages);
    if (i->header) print(out, *i->header);
  }
  if (const auto* i = std::get_if<dsm::Invalidated>(&message)) {
    print(out, i->pages);
    if (i->header) out << " and header";
  }
  if (const auto* c = std::get_if<commit::Commit>(&message)) {
    out << " o" << c->change.ino << " gen " << c->change.generation;
    for (const Extent& e : c->change.extents) out << " " << e.offset << '+' << e.bytes.size();
    if (c->change.grow_to != 0) out << " grow " << c->change.grow_to;
    if (c->change.set_size) out << " set size " << *c->change.set_size;
    out << " unread";
    print(out, c->change.unread_copies);
  }
  const auto settled = [&](const commit::Settlement& s) {
    out << " v" << s.version;
    print(out, s.header);
    for (const auto& p : s.pages) out << " p" << p.page << " replaced " << p.replaced;
  };
  if (const auto* d = std::get_if<commit::Decided>(&message)) settled(d->settlement);
  if (const auto* d = std::get_if<commit::Done>(&message)) settled(d->settlement);
  return out.str();
}

}  // namespace dspm::sim
