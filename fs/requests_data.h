// READ, WRITE, OPEN, RELEASE, FLUSH, FSYNC of files: each is one event of the node, and its answer.
// A handle has no table: `fh` is what it was opened with (handle_of). The loop's thread only.
#pragma once

#include "fs/exchange.h"

namespace dspm::fs {

class RequestsData {
 public:
  explicit RequestsData(Exchange& exchange) : exchange_(exchange) {}

  void read(const Request& request);
  void write(const Request& request);
  void open(const Request& request);
  void release(const Request& request);
  void flush(const Request& request);
  void fsync(const Request& request);

 private:
  Exchange& exchange_;
};

// Whether a handle opened with these flags may change its object; of an `fh` too.
bool writable(std::uint64_t open_flags);
// The `fh` that answers this OPEN or CREATE: its flags and, above them, what makes it another than
// every handle that is open beside it [F11].
std::uint64_t handle_of(Unique unique, std::uint32_t open_flags);

}  // namespace dspm::fs
