// Names of the planted bugs.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "utils/base/planted.h"

namespace dspm::sim {

const std::vector<std::pair<const char*, Planted>>& planted_bugs();
Planted find_planted(const std::string& name);  // none where there is no such bug
}  // namespace dspm::sim
