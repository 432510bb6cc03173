// A configuration from anybody: taken within its bounds and written back as it was, or refused in
// one line.
#include <algorithm>
#include <cstdint>
#include <string>

#include "utils/base/check.h"
#include "utils/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = dspm::parse_config(text, "x.toml");
  if (!config) {
    const std::string& what = config.error().what;
    const bool one_line = std::none_of(what.begin(), what.end(),
                                       [](unsigned char c) { return c < ' ' || c == 0x7F; });
    DSPM_CHECK(one_line && what.starts_with("x.toml"), what);
    return 0;
  }
  DSPM_CHECK(config->node && config->listen_port != 0 && !config->cluster.empty());
  const auto again = dspm::parse_config(dspm::to_toml(*config), "x.toml");
  DSPM_CHECK(again && *again == *config, to_toml(*config));
  return 0;
}
