// Names of the planted bugs, and which of them a named scenario shows.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "utils/base/planted.h"

namespace dspm::sim {

const std::vector<std::pair<const char*, Planted>>& planted_bugs();
Planted find_planted(const std::string& name);  // none where there is no such bug
// The test of tests/sim/scenarios_test.cc that fails with this bug, where seeds are not sure to
// show it; else null.
const char* scenario_of(Planted bug);

}  // namespace dspm::sim
