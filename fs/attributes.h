// GETATTR, SETATTR, STATFS, and the attributes in every other answer: the inode's record from the
// names, for files with size and times from home and what is staged here over them (10-names).
// The record is fetched first and the node asked last, so that a size goes to the kernel in the
// turn in which the node named it [Z8]. The loop's thread only.
#pragma once

#include <linux/fuse.h>

#include <functional>
#include <memory>

#include "fs/exchange.h"
#include "fs/objects.h"
#include "namespace/tree/tree.h"

namespace dspm::fs {

class Attributes {
 public:
  using EntryThen = std::function<void(const fuse_entry_out&)>;

  Attributes(Exchange& exchange, Objects& objects, names::Tree& tree)
      : exchange_(exchange), objects_(objects), tree_(tree) {}

  void getattr(const Request& request);
  void setattr(const Request& request);
  void statfs(const Request& request);

  // What LOOKUP, CREATE, MKNOD and MKDIR answer about `inode`, which the kernel then knows once
  // more (fs/objects). A failure is answered here; `then` is not called.
  void entry(Unique unique, const names::Inode& inode, EntryThen then);
  // The same where an Objects::acquire() has been made already; `otherwise` runs beside a failure's
  // answer.
  void acquired_entry(Unique unique, const names::Inode& inode, EntryThen then,
                      std::function<void()> otherwise = {});

 private:
  struct Setattr;
  using SetattrRef = std::shared_ptr<Setattr>;

  void resize(const SetattrRef& s);
  void set_times(const SetattrRef& s);
  void change_record(const SetattrRef& s);
  void finish(const SetattrRef& s);
  void fail_setattr(const SetattrRef& s, int error);
  void answer_setattr(const SetattrRef& s, const dsm::AttrAnswer& data);
  void answer_attr(Unique unique, const fuse_attr& attr);

  Exchange& exchange_;
  Objects& objects_;
  names::Tree& tree_;
};

// The attributes of a directory, or of a file of which `data` is known.
fuse_attr compose(const names::Inode& inode, const dsm::AttrAnswer* data);
WallTime ctime_of(const fuse_attr& attr);
void set_ctime(fuse_attr& attr, WallTime ctime);

}  // namespace dspm::fs
