// A line at the status socket from anybody: understood or not, and then nothing is asked.
#include <cstdint>
#include <string>

#include "fs/status.h"
#include "utils/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const dspm::fs::Question question = dspm::fs::read_question(line);
  using Kind = dspm::fs::Question::Kind;
  if (question.kind == Kind::status) DSPM_CHECK(line == "status", line);
  if (question.kind == Kind::object) DSPM_CHECK(line.starts_with("object "), line);
  if (question.kind != Kind::object) DSPM_CHECK(!question.ino, line);
  return 0;
}
