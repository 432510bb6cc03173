// The conformance suite of the Pmem port over ordinary files and over mapped memory;
// tests/sim/sim_pmem_test.cc runs it over the simulated ones.
#include "tests/unit/utils/pmem_conformance.h"

#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "tests/unit/utils/pmem_conformance_pool.h"
#include "tests/unit/utils/pmem_folder.h"
#include "utils/pmem/open_pmem.h"

namespace dspm::test {
namespace {

using namespace std::chrono_literals;

template <PmemKind kind>
struct RealPmem {
  static constexpr PmemKind kKind = kind;

  RealPmem() {
    options.pool = folder.file("pool");
    options.pool_size = kPmemSize;
    options.log_size = kPmemSize;
    options.kind = kind;
    take(create_pmem(options));
  }
  Pmem& pmem() { return *open; }
  void reopen() {
    open.reset();
    take(open_pmem(options));
  }
  bool run_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(50us);
    }
    return true;
  }
  Error open_second() const {
    const auto second = open_pmem(options);
    return second ? Error{} : second.error();
  }
  void take(Result<std::unique_ptr<Pmem>> result) {
    DSPM_CHECK(result, result.error().what);
    open = *std::move(result);
  }

  PmemFolder folder;
  PmemOptions options;
  std::unique_ptr<Pmem> open;
};

INSTANTIATE_TYPED_TEST_SUITE_P(File, PmemConformance, RealPmem<PmemKind::file>);
INSTANTIATE_TYPED_TEST_SUITE_P(File, PmemPoolConformance, RealPmem<PmemKind::file>);
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, PmemConformance, RealPmem<PmemKind::byte_addressable>);
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, PmemPoolConformance, RealPmem<PmemKind::byte_addressable>);

}  // namespace
}  // namespace dspm::test
