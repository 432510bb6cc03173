// The conformance suite of the Wire port over TcpWire; tests/sim/sim_wire_test.cc runs it over
// SimWire.
#include "tests/unit/utils/wire_conformance.h"

#include "tests/unit/utils/tcp_net.h"

namespace dspm::test {

INSTANTIATE_TYPED_TEST_SUITE_P(Tcp, WireConformance, TcpNet);

}  // namespace dspm::test
