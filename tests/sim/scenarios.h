// Named stories of design 12-why.md, each step by step in a world whose messages and invalidators
// can be held. Each returns what went wrong; empty: nothing.
#pragma once

#include <string>
#include <vector>

namespace dspm::sim {

struct Scenario {
  const char* name;
  const char* rules;  // tags
  std::string (*run)(bool trace);
};
const std::vector<Scenario>& scenarios();

// Told in a file of their own; those who call them use scenarios().
std::string zeros_of_a_late_cut(bool trace);
std::string size_before_its_inode(bool trace);

}  // namespace dspm::sim
