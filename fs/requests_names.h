// Names: LOOKUP and FORGET, CREATE MKNOD MKDIR, UNLINK RMDIR RENAME, and directories. Each is one
// transaction of the names; what answers with attributes goes on in fs/attributes. A name operation
// waits for the names only (3-protocol §2). The loop's thread only.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "fs/attributes.h"
#include "fs/exchange.h"
#include "fs/objects.h"
#include "namespace/tree/tree.h"

namespace dspm::fs {

class RequestsNames {
 public:
  RequestsNames(Exchange& exchange, Objects& objects, Attributes& attributes, names::Tree& tree)
      : exchange_(exchange), objects_(objects), attributes_(attributes), tree_(tree) {}

  void lookup(const Request& request);
  void forget(const Request& request);
  void batch_forget(const Request& request);

  void create(const Request& request);
  void mknod(const Request& request);
  void mkdir(const Request& request);

  void unlink(const Request& request);
  void rmdir(const Request& request);
  void rename(const Request& request);
  void rename2(const Request& request);

  void opendir(const Request& request);
  void readdir(const Request& request);
  void releasedir(const Request& request);

 private:
  // The name `skip` bytes into the request; empty where it was not one, and answered.
  std::string name_of(const Request& request, std::size_t skip);
  void answer_entry(Unique unique, const names::Inode& inode);
  void answer_created(Unique unique, const names::Inode& inode, std::uint32_t open_flags);
  void finish_created(Unique unique, const names::Inode& inode, std::uint64_t handle);
  names::Tree::OutcomeDone answer_done(const Request& request);
  void make(const Request& request, std::uint32_t mode, std::size_t skip);
  void move(const Request& request, Ino to, std::uint32_t flags, std::size_t skip);

  // One READDIR.
  struct Listing {
    Unique unique;
    Ino dir;
    std::uint64_t handle;
    names::Rev after;  // cursor of the entry that was given last
    std::uint32_t size;
  };
  void list(const Listing& from, names::Rev upto);
  void list_entries(const Listing& from, Ino parent, names::Rev upto);

  Exchange& exchange_;
  Objects& objects_;
  Attributes& attributes_;
  names::Tree& tree_;
  // Open directories: where their listing ends. Only a cache: without it the listing ends later.
  std::unordered_map<std::uint64_t, names::Rev> listings_;
  std::uint64_t last_listing_ = 0;
};

}  // namespace dspm::fs
