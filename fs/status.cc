#include "fs/status.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <nlohmann/json.hpp>

namespace dspm::fs {
namespace {

using Json = nlohmann::ordered_json;
using boost::asio::local::stream_protocol;

constexpr std::size_t kLongestLine = 256;
constexpr int kMostSessions = 16;
constexpr auto kAcceptPause = std::chrono::seconds(1);

std::uint64_t milliseconds_between(Time from, Time to) {
  if (from == Time{} || to < from) return 0;
  return std::uint64_t(std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count());
}

Json describe_peers(const WireStatus& wire, Time now) {
  Json peers = Json::array();
  for (const PeerStatus& peer : wire.peers) {
    Json one{{"node", peer.node.value},
             {"state", to_string(peer.state)},
             {"incarnation", peer.incarnation.value},
             {"heard_ms_ago", milliseconds_between(peer.heard, now)},
             {"connections", peer.connections},
             {"messages_sent", peer.messages_sent},
             {"messages_received", peer.messages_received},
             {"bytes_sent", peer.bytes_sent},
             {"bytes_received", peer.bytes_received},
             {"messages_lost", peer.messages_lost},
             {"queued_bytes", peer.queued_bytes}};
    if (!peer.refusal.empty()) one["refusal"] = peer.refusal;
    peers.push_back(std::move(one));
  }
  return peers;
}

Json describe_ends(const WireStatus& wire) {
  Json ends = Json::object();
  for (std::size_t i = 0; i < wire.ends.size(); ++i)
    if (wire.ends[i] != 0) ends[std::string(to_string(WireEnd(i)))] = wire.ends[i];
  return ends;
}

Json describe_counters(const NodeCounters& node, const LoopCounters& loop) {
  return {{"requests", loop.requests},
          {"messages_in", loop.messages_in},
          {"messages_out", loop.messages_out},
          {"unsent", loop.unsent},
          {"undecodable", loop.undecodable},
          {"turns", loop.turns},
          {"fetches", node.fetches},
          {"refetches", node.refetches},
          {"commits", node.commits},
          {"refused", node.refused},
          {"invalidations", node.invalidations},
          {"rewrites", node.rewrites},
          {"kept_pages", node.kept_pages},
          {"timeouts", node.timeouts},
          {"stale_epochs", node.stale_epochs},
          {"poisoned", node.poisoned}};
}

Json describe_node(const StatusSources& from) {
  const WireStatus wire = from.wire.status();
  Json groups = Json::array();
  for (const GroupView& g : from.groups)
    groups.push_back({{"group", g.group.value},
                      {"epoch", g.epoch.value},
                      {"primary", g.primary.value},
                      {"incarnation", g.incarnation.value}});
  return {{"cluster", from.cluster},
          {"node", from.node.value},
          {"incarnation", from.incarnation.value},
          {"mount", from.mount_point},
          {"locks", "this node only"},  // [2-kernel rule 12]
          {"names", "one copy, in the store file of this machine"},
          {"peers", describe_peers(wire, SystemClock().now())},
          {"connections_ended", describe_ends(wire)},
          {"groups", std::move(groups)},
          {"counters", describe_counters(from.machines.counters(), from.loop.counters())},
          {"waiting_requests", from.exchange.waiting()},
          {"objects", from.machines.objects().size()},
          {"invalidators",
           {{"threads", from.invalidator.threads()},
            {"threads_max", from.invalidator.threads_max()},
            {"failures", from.invalidator.failures()}}}};
}

Json describe_object(const StatusSources& from, Ino ino) {
  const auto object = from.machines.object(ino);
  if (!object) return {{"error", "this node has nothing of that object"}, {"ino", ino.value}};
  return {{"ino", object->ino.value},
          {"node", from.node.value},
          {"home", object->home.value},
          {"size", object->size},
          {"told_size", object->told},
          {"version", object->version.value},
          {"generation", object->generation.value},
          {"staged_bytes", object->staged_bytes},
          {"twins", object->twins},
          {"cached_pages", object->cached_pages},
          {"opens", object->opens},
          {"writable_opens", object->writable_opens},
          {"commits_in_flight", object->commits_in_flight}};
}

}  // namespace

Question read_question(std::string_view line) {
  constexpr std::string_view kObject = "object ";
  if (line == "status") return {Question::Kind::status, {}};
  if (!line.starts_with(kObject)) return {};
  line.remove_prefix(kObject.size());
  Ino ino;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), ino.value);
  if (error != std::errc{} || end != line.data() + line.size())
    return {Question::Kind::bad_object, {}};
  return {Question::Kind::object, ino};
}

std::string answer_status(const StatusSources& sources, std::string_view line) {
  const Question question = read_question(line);
  Json answer;
  switch (question.kind) {
    case Question::Kind::status:
      answer = describe_node(sources);
      break;
    case Question::Kind::object:
      answer = describe_object(sources, question.ino);
      break;
    case Question::Kind::bad_object:
      answer = {{"error", "object: wants an inode number"}};
      break;
    case Question::Kind::unknown:
      answer = {{"error", "unknown request; there are: status, object INO"}};
      break;
  }
  return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// One client; holds itself while something is under way.
struct StatusServer::Session : std::enable_shared_from_this<Session> {
  Session(stream_protocol::socket s, std::shared_ptr<Answer> a, std::shared_ptr<int> n)
      : socket(std::move(s)), answer(std::move(a)), count(std::move(n)) {
    ++*count;
  }
  ~Session() { --*count; }

  void read() {
    boost::asio::async_read_until(socket, in, '\n',
                                  [self = shared_from_this()](const auto& error, std::size_t size) {
                                    if (!error) self->reply(size);
                                  });
  }
  void reply(std::size_t size) {
    std::string line(size, '\0');
    in.sgetn(line.data(), std::streamsize(size));
    line.pop_back();
    out = (*answer)(line) + '\n';
    boost::asio::async_write(socket, boost::asio::buffer(out),
                             [self = shared_from_this()](const auto& error, std::size_t) {
                               if (!error) self->read();
                             });
  }

  stream_protocol::socket socket;
  std::shared_ptr<Answer> answer;
  std::shared_ptr<int> count;
  boost::asio::streambuf in{kLongestLine};
  std::string out;
};

Result<std::unique_ptr<StatusServer>> StatusServer::listen(boost::asio::io_context& io,
                                                           const std::string& path, Answer answer) {
  std::unique_ptr<StatusServer> server(new StatusServer(io, path, std::move(answer)));
  struct stat st {};
  if (::lstat(path.c_str(), &st) == 0) {
    if (!S_ISSOCK(st.st_mode)) {
      server->path_.clear();
      return {Status::exists, "status socket '" + path + "': something else is there"};
    }
    ::unlink(path.c_str());
  }
  boost::system::error_code error;
  auto& acceptor = server->acceptor_;
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    error = boost::asio::error::name_too_long;
  else
    acceptor.open(stream_protocol(), error);
  const mode_t before = ::umask(0177);
  if (!error) acceptor.bind(stream_protocol::endpoint(path), error);
  ::umask(before);
  if (!error) acceptor.listen(kMostSessions, error);
  if (error) return {Status::io_error, "status socket '" + path + "': " + error.message()};
  server->accept();
  return server;
}

StatusServer::StatusServer(boost::asio::io_context& io, std::string path, Answer answer)
    : path_(std::move(path)),
      answer_(std::make_shared<Answer>(std::move(answer))),
      acceptor_(io),
      again_(io) {}

StatusServer::~StatusServer() {
  // Sessions that are left answer no more than that they are left.
  *answer_ = [](std::string_view) { return std::string(R"({"error":"stopping"})"); };
  if (!path_.empty()) ::unlink(path_.c_str());
}

void StatusServer::accept() {
  acceptor_.async_accept([this](const auto& error, stream_protocol::socket socket) {
    if (error == boost::asio::error::operation_aborted) return;
    if (error) return accept_later();  // out of descriptors, for example
    if (*sessions_ < kMostSessions)
      std::make_shared<Session>(std::move(socket), answer_, sessions_)->read();
    accept();
  });
}

void StatusServer::accept_later() {
  again_.expires_after(kAcceptPause);
  again_.async_wait([this](const auto& error) {
    if (!error) accept();
  });
}

}  // namespace dspm::fs
