// Stored values: exact bytes, bounds, and what is refused.
#include "namespace/tree/inode.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <limits>
#include <string>

namespace dspm::names {
namespace {

std::string hex(const std::string& bytes) {
  std::string out;
  char two[3];
  for (const char c : bytes) {
    std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c));
    out += two;
  }
  return out;
}

Inode file() {
  Inode inode;
  inode.ino = Ino(0x1234);
  inode.mode = S_IFREG | 0640;
  inode.uid = 1000;
  inode.gid = 100;
  inode.nlink = 1;
  inode.ctime = WallTime{0x0102030405060708};
  inode.mtime = WallTime{-1};
  inode.layout.groups = {GroupId(3)};
  return inode;
}
Inode directory() {
  Inode inode;
  inode.ino = inode.parent = kRootIno;
  inode.mode = S_IFDIR | 0755;
  inode.nlink = 2;
  inode.atime = WallTime{5};
  inode.entries = 7;
  return inode;
}

TEST(Inode, GoldenBytes) {
  EXPECT_EQ(hex(encode(file())),
            "01"  // version
            "a0810000"
            "e8030000"
            "64000000"  // mode, uid, gid
            "01000000"
            "00000000"  // nlink, rdev
            "0807060504030201"
            "ffffffffffffffff"  // ctime, mtime
            "00"
            "0000000000000000"  // atime: none
            "0000000000000000"
            "0000000000000000"  // entries, parent
            "0000400000000000"  // chunk size
            "01000000"
            "03000000"  // groups
            "00000000"  // target
            "000000"
            "00000000");  // mode, policy, replicas; xattrs
  EXPECT_EQ(hex(encode(DirEntry{Ino(0x1234), S_IFDIR})),
            "01"
            "3412000000000000"
            "00400000");
  EXPECT_EQ(hex(encode_counter(4098)), "0210000000000000");
  EXPECT_EQ(inode_key(Ino(0xAB)), "ino/00000000000000ab");
  EXPECT_EQ(orphan_key(Ino(1)), "orphan/0000000000000001");
  EXPECT_EQ(name_key(Ino(1), "x y"), "ns/0000000000000001/x y");
}

TEST(Inode, WhatIsWrittenIsRead) {
  for (Inode inode : {file(), directory()}) {
    inode.rev = 9;
    const auto read = decode_inode(encode(inode), inode.ino, 9);
    ASSERT_TRUE(read) << read.error().what;
    EXPECT_EQ(*read, inode);
  }
  const DirEntry entry{Ino(7), S_IFREG};
  EXPECT_EQ(*decode_entry(encode(entry)), entry);
  EXPECT_EQ(*decode_counter(encode_counter(99)), 99u);
}

TEST(Inode, NoCutAndNothingBehindTheEnd) {
  const Value good = encode(file());
  for (std::size_t n = 0; n < good.size(); ++n) {
    EXPECT_EQ(decode_inode(good.substr(0, n), Ino(1), 0).status(), Status::corrupt) << n;
  }
  EXPECT_EQ(decode_inode(good + '\0', Ino(1), 0).status(), Status::corrupt);
  const Value entry = encode(DirEntry{Ino(7), S_IFREG});
  for (std::size_t n = 0; n < entry.size(); ++n) {
    EXPECT_EQ(decode_entry(entry.substr(0, n)).status(), Status::corrupt) << n;
  }
  EXPECT_EQ(decode_entry(entry + '\0').status(), Status::corrupt);
  EXPECT_EQ(decode_counter("1234567").status(), Status::corrupt);
  EXPECT_EQ(decode_counter(encode_counter(1)).status(), Status::corrupt);
}

TEST(Inode, WhatMakesNoSenseIsCorruptWhatIsNewerIsForeign) {
  const auto status = [](Inode inode) { return decode_inode(encode(inode), Ino(1), 0).status(); };
  Inode bad = file();
  bad.layout.groups.clear();
  EXPECT_EQ(status(bad), Status::corrupt);
  bad.layout.groups = {GroupId(1), GroupId(0)};
  EXPECT_EQ(status(bad), Status::corrupt);
  bad = file();
  bad.layout.chunk_size = 0;
  EXPECT_EQ(status(bad), Status::corrupt);
  bad.layout.chunk_size = 4097;
  EXPECT_EQ(status(bad), Status::corrupt);
  bad = file();
  bad.mode = 0644;
  EXPECT_EQ(status(bad), Status::corrupt);
  bad.mode = 0x10000 | S_IFREG;
  EXPECT_EQ(status(bad), Status::corrupt);
  Value newer = encode(file());
  newer[0] = 2;
  EXPECT_EQ(decode_inode(newer, Ino(1), 0).status(), Status::foreign);
  newer = encode(DirEntry{Ino(7), S_IFREG});
  newer[0] = 2;
  EXPECT_EQ(decode_entry(newer).status(), Status::foreign);
  EXPECT_EQ(decode_entry(encode(DirEntry{Ino(0), S_IFREG})).status(), Status::corrupt);
  EXPECT_EQ(decode_entry(encode(DirEntry{Ino(7), S_IFREG | 1})).status(), Status::corrupt);
  EXPECT_EQ(decode_entry(encode(DirEntry{Ino(7), 0})).status(), Status::corrupt);
  // Fields that are reserved are zero until somebody knows them: device, mode, policy, replicas,
  // extended attributes.
  const Value good = encode(file());
  for (const std::size_t offset :
       {std::size_t{17}, good.size() - 7, good.size() - 6, good.size() - 5, good.size() - 4}) {
    Value value = good;
    value[offset] = 1;
    EXPECT_EQ(decode_inode(value, Ino(1), 0).status(), Status::corrupt) << offset;
  }
  // A count that cannot be true allocates nothing.
  Value many = good;
  for (int i = 0; i < 4; ++i) many[62 + std::size_t(i)] = char(0xff);
  EXPECT_EQ(decode_inode(many, Ino(1), 0).status(), Status::corrupt);
}

TEST(Inode, DeltasKeepCountsInTheirRangeAndTimesMovingOn) {
  const Value start = encode(directory());
  const Inode after = *decode_inode(*apply_delta(start, {2, 1, WallTime{100}}), kRootIno, 0);
  EXPECT_EQ(after.entries, 9u);
  EXPECT_EQ(after.nlink, 3u);
  EXPECT_EQ(after.mtime, WallTime{100});
  EXPECT_EQ(after.ctime, WallTime{100});
  const Inode again = *decode_inode(*apply_delta(encode(after), {0, 0, {}}), kRootIno, 0);
  EXPECT_EQ(again.mtime, WallTime{101});
  EXPECT_EQ(apply_delta(start, {-8, 0, {}}).status(), Status::corrupt);
  EXPECT_EQ(apply_delta(start, {0, -3, {}}).status(), Status::corrupt);
  EXPECT_EQ(apply_delta(start, {0, std::int64_t{1} << 32, {}}).status(), Status::corrupt);
  EXPECT_EQ(apply_delta(start, {std::numeric_limits<std::int64_t>::max(), 0, {}}).status(),
            Status::corrupt);
  EXPECT_EQ(apply_delta(encode(file()), {1, 0, {}}).status(), Status::not_directory);
  EXPECT_EQ(apply_delta("rubbish", {1, 0, {}}).status(), Status::foreign);
  constexpr WallTime kLast{std::numeric_limits<std::int64_t>::max()};
  EXPECT_EQ(later({}, kLast), kLast);
}

// [S5] `local`: home is the creator's group, wherever in the file.
TEST(Layout, S5_LocalIsOneGroupSpreadIsAll) {
  const Layout local = local_layout(GroupId(3));
  EXPECT_EQ(group_of(local, Ino(5), std::uint64_t{1} << 60), GroupId(3));
  EXPECT_EQ(home_of(local, Ino(5)), GroupId(3));
  EXPECT_EQ(home_of(Layout(), Ino(5)), GroupId());
  Layout spread;
  spread.groups = {GroupId(1), GroupId(2), GroupId(3)};
  int seen[4] = {};
  for (std::uint64_t chunk = 0; chunk < 3000; ++chunk) {
    const GroupId group = group_of(spread, Ino(77), chunk * spread.chunk_size);
    EXPECT_EQ(group, group_of(spread, Ino(77), (chunk + 1) * spread.chunk_size - 1));
    ++seen[group.value];
  }
  for (int g = 1; g <= 3; ++g) EXPECT_NEAR(seen[g], 1000, 150);
  EXPECT_EQ(group_of(spread, Ino(77), 0), GroupId(3)) << "the hash is part of the format";
}

}  // namespace
}  // namespace dspm::names
