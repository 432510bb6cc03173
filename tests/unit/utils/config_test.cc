// Configuration: what is accepted, and that everything else is refused in one line that names the
// file, the key and a way out.
#include "utils/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace dspm {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Config sample() {
  Config c;
  c.cluster = "demo-5f2c";
  c.node = NodeId(2);
  c.mount = "/d/n2/mnt";
  c.store = "/d/store.db";
  c.log = "/d/n2/log";
  c.pool = "/d/n2/pool";
  c.status_socket = "/d/n2/status.sock";
  c.listen_host = "127.0.0.1";
  c.listen_port = 7002;
  return c;
}

// The sample's file with `from` replaced by `to`.
std::string with(const std::string& from, const std::string& to) {
  std::string text = to_toml(sample());
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string refusal(const std::string& text) {
  const auto result = parse_config(text, "x.toml");
  EXPECT_FALSE(result) << text;
  if (result) return "";
  EXPECT_EQ(result.status(), Status::invalid);
  EXPECT_THAT(result.error().what, AllOf(StartsWith("x.toml"), Not(HasSubstr("\n"))));
  return result.error().what;
}

TEST(Config, WhatIsWrittenIsReadBack) {
  EXPECT_EQ(parse_config(to_toml(sample()), "x.toml").value(), sample());
  Config all = sample();
  all.spin_us = 0;
  all.read_ahead_kb = 0;
  all.mount = "/with \"quotes\" and \\ in\nit/ü";
  EXPECT_EQ(parse_config(to_toml(all), "x.toml").value(), all);
}

TEST(Config, DefaultsOfOptionalKeys) {
  Config none = sample();
  none.log.clear();
  const Config c = parse_config(to_toml(none), "x.toml").value();
  EXPECT_EQ(c.log, "");
  EXPECT_EQ(parse_config(with("read_ahead_kb = 256\n", ""), "x.toml").value().read_ahead_kb, 256u);
  EXPECT_EQ(parse_config(with("spin_us = 50\n", ""), "x.toml").value().spin_us, 50u);
}

TEST(Config, UnknownKeysAndTablesAreNamed) {
  EXPECT_THAT(refusal(with("[net]\n", "[net]\nspin = 5\n")),
              AllOf(StartsWith("x.toml:13:"), HasSubstr("[net] spin"), HasSubstr("spin_us")));
  EXPECT_THAT(refusal(with("[net]\n", "[network]\n")), HasSubstr("[network]"));
  EXPECT_THAT(refusal("node = 1\n"), HasSubstr("'node' is in no table"));
  EXPECT_THAT(refusal("port = 1\n"), HasSubstr("port"));
}

TEST(Config, MissingKeysAreNamed) {
  EXPECT_THAT(refusal(with("id = 2\n", "")), HasSubstr("[node] id is missing"));
  EXPECT_THAT(refusal("[node]\n"), HasSubstr("[cluster] id is missing"));
  EXPECT_THAT(refusal(""), HasSubstr("empty"));
}

TEST(Config, WrongTypesAndRanges) {
  for (const char* id : {"0", "65536", "-1", "\"2\"", "2.0", "true", "[2]"})
    EXPECT_THAT(refusal(with("id = 2", std::string("id = ") + id)),
                AllOf(StartsWith("x.toml:5:"), HasSubstr("[node] id must be a number from 1")));
  for (const char* port : {"0", "65536", "\"x\""})
    EXPECT_THAT(refusal(with("7002", port)), HasSubstr("[net] listen_port must be"));
  EXPECT_THAT(refusal(with("spin_us = 50", "spin_us = -1")), HasSubstr("[net] spin_us must be"));
  EXPECT_THAT(refusal(with("/d/n2/mnt", "d/n2")), HasSubstr("[node] mount must be the absolute"));
  EXPECT_THAT(refusal(with("/d/store.db", "")), HasSubstr("[node] store must be"));
  EXPECT_THAT(refusal(with("demo-5f2c", std::string(65, 'x'))), HasSubstr("[cluster] id must be"));
  EXPECT_THAT(refusal(with("demo-5f2c", "a b")), HasSubstr("[cluster] id must be"));
  EXPECT_THAT(refusal(with("/d/n2/status.sock", "/" + std::string(107, 'x'))),
              HasSubstr("at most 107 bytes"));
}

TEST(Config, WrongValuesAreShown) {
  EXPECT_THAT(refusal(with("id = 2", "id = two # why not")), EndsWith(", not 'two'"));
  EXPECT_THAT(refusal(with("7002", "99999999999999999999")), EndsWith("'99999999999999999999'"));
  EXPECT_THAT(refusal(with("7002", "07002")), EndsWith(", not '07002'"));
  EXPECT_THAT(refusal(with("7002", "\"7002\"")), EndsWith(", not '\"7002\"'"));
  EXPECT_THAT(refusal(with("demo-5f2c", std::string(2000, 'x'))).size(), testing::Lt(200u));
}

TEST(Config, TextsAndComments) {
  const auto mount = [](const std::string& written) {
    return parse_config(with("\"/d/n2/mnt\"", written), "x.toml").value().mount;
  };
  EXPECT_EQ(mount("\"/a\\u00e9\\U0001F600\\t\"  # a \"comment\""), "/a\u00e9\U0001F600\t");
  EXPECT_EQ(mount("'/a\\n#b'#"), "/a\\n#b");
  EXPECT_EQ(parse_config(with("[node]", "  [ node ]# here\r"), "x.toml").value(), sample());
  EXPECT_EQ(parse_config(with("7002", "+7002"), "x.toml").value(), sample());
}

TEST(Config, WhatIsNoToml) {
  EXPECT_THAT(refusal(with("id = 2", "id = ")), StartsWith("x.toml:5: 'id' has no value"));
  EXPECT_THAT(refusal(with("id = 2", "id")), StartsWith("x.toml:5: 'id' is neither"));
  EXPECT_THAT(refusal(with("id = 2", "id = 2\nid = 3")), StartsWith("x.toml:6: 'id' is there twi"));
  EXPECT_THAT(refusal(with("[net]", "[node]")),
              HasSubstr("[node] is there twice, first in line 4"));
  EXPECT_THAT(refusal(with("[net]", "[net")), HasSubstr("'[net' lacks its ]"));
  EXPECT_THAT(refusal(with("[net]", "[[net]]")), HasSubstr("'[[net]]' is no [table]"));
  EXPECT_THAT(refusal(with("[net]", "[net] x")), HasSubstr("unexpected 'x'"));
  EXPECT_THAT(refusal(with("id = 2", "node.id = 2")), HasSubstr("'node.id' is no key"));
  EXPECT_THAT(refusal(with("mnt\"", "mnt")), HasSubstr("without its closing quote"));
  EXPECT_THAT(refusal(with("mnt\"", "mnt\" 3")), HasSubstr("unexpected '3'"));
  for (const char* escape : {"\\", "\\x", "\\u12", "\\u12g4", "\\ud800", "\\U00110000", "\\u-123"})
    EXPECT_THAT(refusal(with("n2/mnt", escape)), AnyOf(HasSubstr("escape"), HasSubstr("quote")));
  EXPECT_THAT(refusal("\x7f"
                      "ELF\x02\x01"),
              HasSubstr("is it the right file?"));
  refusal(std::string(20'000, '['));
  refusal(std::string("a\0b", 3));
}

TEST(Config, FilesThatCannotBeRead) {
  const auto missing = load_config("/nonexistent/dspmd.toml");
  EXPECT_EQ(missing.status(), Status::no_entry);
  EXPECT_THAT(missing.error().what, StartsWith("/nonexistent/dspmd.toml: cannot read"));
  EXPECT_EQ(load_config("/").status(), Status::io_error);
}

TEST(Config, LoadsAFile) {
  const std::string path = testing::TempDir() + "config_test." + std::to_string(getpid());
  std::ofstream(path) << to_toml(sample());
  EXPECT_EQ(load_config(path).value(), sample());
  std::remove(path.c_str());
}

}  // namespace
}  // namespace dspm
