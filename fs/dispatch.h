// From the opcode of a request to the function that serves it. The loop's thread only.
#pragma once

#include "fs/attributes.h"
#include "fs/exchange.h"
#include "fs/objects.h"
#include "fs/requests_data.h"
#include "fs/requests_names.h"

namespace dspm::fs {

class Dispatch {
 public:
  Dispatch(Exchange& exchange, names::Tree& tree);

  // Serves one request; answers come now or in a later turn, FORGET's and INTERRUPT's never.
  void request(const Request& request);

 private:
  bool serve_data(const Request& request);
  bool serve_names(const Request& request);
  void serve_rest(const Request& request);

  Exchange& exchange_;
  Objects objects_;
  Attributes attributes_;
  RequestsData data_;
  RequestsNames names_;
};

}  // namespace dspm::fs
