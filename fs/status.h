// The status socket: a UNIX stream socket on which `dspm` asks one line and gets one line of JSON.
//   status       → node, incarnation, peers, groups, counters, invalidators
//   object INO   → what this node knows of one object
// Anything else → {"error": "..."}. On the loop's thread; a client that does not read is dropped.
#pragma once

#include <utility>
// Boost 1.74 uses std::exchange without including it.
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fs/invalidator.h"
#include "fs/loop.h"
#include "fs/node.h"
#include "utils/base/result.h"
#include "utils/net/wire.h"

namespace dspm::fs {

class StatusServer {
 public:
  // The answer to one line, without its newline; neither may hold one. Must not fail.
  using Answer = std::function<std::string(std::string_view)>;

  // Listens on `path`, which is made (a socket left by an earlier life is replaced) and removed at
  // the end. Readable and writable by its owner only. Errors: one clear sentence.
  static Result<std::unique_ptr<StatusServer>> listen(boost::asio::io_context& io,
                                                      const std::string& path, Answer answer);
  ~StatusServer();
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

 private:
  struct Session;
  StatusServer(boost::asio::io_context& io, std::string path, Answer answer);
  void accept();
  void accept_later();

  std::string path_;
  std::shared_ptr<Answer> answer_;
  std::shared_ptr<int> sessions_ = std::make_shared<int>(0);
  boost::asio::local::stream_protocol::acceptor acceptor_;
  boost::asio::steady_timer again_;
};

// One group as this node knows it, for `status`.
struct GroupView {
  GroupId group;
  Epoch epoch;
  NodeId primary;
  Incarnation incarnation;
};

// What answer_status() looks at; all outlive the answer.
struct StatusSources {
  std::string cluster;
  NodeId node;
  Incarnation incarnation;
  std::string mount_point;
  const Node& machines;
  const Loop& loop;
  const Exchange& exchange;
  const Invalidator& invalidator;
  const Wire& wire;
  const std::vector<GroupView>& groups;
};

// What one line asks.
struct Question {
  enum class Kind : unsigned char { status, object, bad_object, unknown } kind = Kind::unknown;
  Ino ino;  // object
};
Question read_question(std::string_view line);

// One line of JSON for one line of request.
std::string answer_status(const StatusSources& sources, std::string_view line);

}  // namespace dspm::fs
