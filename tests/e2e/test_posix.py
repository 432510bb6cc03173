#!/usr/bin/env python3
"""renameat2's flags, also of directories and into themselves; setuid and setgid bits that go when somebody
without privilege writes or truncates, or the owner changes; each seen on the other nodes."""
import ctypes
import errno
import os
import stat

from cluster import check, cluster, main

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, NOREPLACE, EXCHANGE, WHITEOUT = -100, 1, 2, 4
NOBODY = 65534


def rename(old, new, flags=0):
    """0, or the errno."""
    done = LIBC.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags)
    return 0 if done == 0 else ctypes.get_errno()


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def expect(got, wanted, what):
    check(got == wanted, what, errno.errorcode.get(got, got))


def names(c):
    one, two, three = c.mounts
    write(one + "/a", "a")
    write(two + "/b", "b")
    expect(rename(one + "/a", one + "/b", NOREPLACE), errno.EEXIST, "NOREPLACE over a name: EEXIST")
    expect(rename(one + "/a", one + "/new", NOREPLACE), 0, "NOREPLACE to a free name")
    expect(rename(one + "/new", one + "/a"), 0, "and back")
    inodes = os.stat(one + "/a").st_ino, os.stat(one + "/b").st_ino
    expect(rename(three + "/a", three + "/b", EXCHANGE), 0, "EXCHANGE of two files")
    for mount in c.mounts:
        check(read(mount + "/a") == "b" and read(mount + "/b") == "a", f"seen in {mount[-6:]}")
    check((os.stat(two + "/b").st_ino, os.stat(two + "/a").st_ino) == inodes, "they are the same two")
    expect(rename(one + "/a", one + "/none", EXCHANGE), errno.ENOENT, "EXCHANGE with nothing: ENOENT")
    expect(rename(one + "/a", one + "/a", EXCHANGE), 0, "EXCHANGE with itself")
    expect(rename(one + "/a", one + "/b", EXCHANGE | NOREPLACE), errno.EINVAL, "both flags: EINVAL")
    expect(rename(one + "/a", one + "/c", WHITEOUT), errno.EINVAL, "WHITEOUT: EINVAL")


def directories(c):
    one, two, three = c.mounts
    os.makedirs(one + "/d/sub/deep")
    write(two + "/d/sub/file", "inside")
    write(two + "/plain", "plain")
    expect(rename(one + "/d", one + "/d/sub/x"), errno.EINVAL, "a directory below itself: EINVAL")
    expect(rename(two + "/d", two + "/d/x"), errno.EINVAL, "into itself: EINVAL")
    expect(rename(two + "/d", two + "/d/sub", EXCHANGE), errno.EINVAL, "EXCHANGE with its child: EINVAL")
    expect(rename(two + "/d/sub/deep", two + "/d", EXCHANGE), errno.EINVAL, "with its parent: EINVAL")
    expect(rename(one + "/d/sub", one + "/plain", EXCHANGE), 0, "EXCHANGE of a full directory and a file")
    check(read(three + "/d/sub") == "plain" and read(three + "/plain/file") == "inside",
          "each is where the other was")
    check(os.stat(three + "/d").st_nlink == 2 and os.stat(three + "/plain").st_nlink == 3,
          "links count the directories that are there")
    expect(rename(three + "/d", three + "/plain/deep", EXCHANGE), 0, "EXCHANGE across directories")
    check(read(one + "/plain/deep/sub") == "plain" and os.listdir(one + "/d") == [], "seen on node 1")
    check(os.path.samefile(one + "/plain/deep/..", one + "/plain"), "its .. is the new parent")


def as_nobody(action):
    """Runs it in a child without privileges; its errno."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            action()
            code = 0
        except OSError as error:
            code = error.errno
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def bits(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def append(path):
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, b"more")
    os.close(descriptor)


def many_writes(path):
    descriptor = os.open(path, os.O_WRONLY)
    for _ in range(500):
        os.pwrite(descriptor, b"x", 0)
    os.close(descriptor)


def questions_per_write(c):
    """[2-kernel rule 13] The kernel asks nothing beside a write(), so the mount need not take the bits."""
    path = c.mount(2) + "/asked"
    write(path, "x")
    os.chmod(path, 0o666)
    before = c.status(2)["counters"]["requests"]
    expect(as_nobody(lambda: many_writes(path)), 0, "500 writes by nobody")
    asked = c.status(2)["counters"]["requests"] - before
    check(500 <= asked < 530, "are 500 requests and a few", asked)


def privileges(c):
    one, two, three = c.mounts
    path = "/program"
    write(one + path, "#!/bin/true")
    for what, action, left in (
            ("a write", lambda: append(two + path), 0o777),
            ("a truncate", lambda: os.truncate(two + path, 3), 0o777),
            ("an open that truncates", lambda: os.close(os.open(two + path, os.O_WRONLY | os.O_TRUNC)),
             0o777),
            ("a read", lambda: read(two + path), 0o6777)):
        os.chmod(one + path, 0o6777)
        expect(as_nobody(action), 0, f"{what} by nobody is allowed")
        for mount in c.mounts:
            expect(oct(bits(mount + path)), oct(left), f"mode after {what}, in {mount[-6:]}")
    os.chmod(one + path, 0o6777)
    append(three + path)
    expect(oct(bits(one + path)), oct(0o6777), "who may set the bits keeps them by a write")
    os.chown(two + path, NOBODY, NOBODY)
    expect(oct(bits(one + path)), oct(0o777), "a new owner ends them")
    os.chmod(one + path, 0o2767)
    expect(as_nobody(lambda: append(two + path)), 0, "a write to a file with setgid, no group execution")
    check(bits(one + path) & 0o4000 == 0, "leaves no setuid", oct(bits(one + path)))


def test():
    with cluster() as c:
        os.chmod(c.dir, 0o711)  # nobody comes as far as the mounts
        names(c)
        directories(c)
        privileges(c)
        questions_per_write(c)


if __name__ == "__main__":
    raise SystemExit(main(test))
