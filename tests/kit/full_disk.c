/* Loaded into a server (LD_PRELOAD): answers as the kernel does where the disk is full.
 *
 * The disk is full while the file exists that FULL_DISK names. The file says which part of the files' paths is on that
 * disk. What makes such a file longer fails with ENOSPC; what overwrites its bytes works, as on a disk. Files that are
 * not regular (sockets, pipes) are never on it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Whether there is no room for the file's bytes up to `end`. */
static int no_room(int fd, off_t end) {
  const char *flag = getenv("FULL_DISK");
  int kept = errno;
  int opened = flag ? open(flag, O_RDONLY | O_CLOEXEC) : -1;
  if (opened < 0) {
    errno = kept;
    return 0;
  }
  char part[256], link[64], path[PATH_MAX];
  ssize_t length = read(opened, part, sizeof part - 1);
  close(opened);
  part[length > 0 ? length : 0] = 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t named = readlink(link, path, sizeof path - 1);
  path[named > 0 ? named : 0] = 0;
  struct stat file;
  int full = length > 0 && strstr(path, part) && fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && end > file.st_size;
  errno = full ? ENOSPC : kept;
  return full;
}

static off_t total(const struct iovec *parts, int count) {
  off_t bytes = 0;
  for (int at = 0; at < count; at++) bytes += parts[at].iov_len;
  return bytes;
}

static off_t here(int fd) {
  int kept = errno;
  struct stat file;
  int flags = fcntl(fd, F_GETFL);
  off_t at = flags >= 0 && (flags & O_APPEND) && fstat(fd, &file) == 0 ? file.st_size : lseek(fd, 0, SEEK_CUR);
  errno = kept;
  return at;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  return no_room(fd, here(fd) + count) ? -1 : REAL(write)(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  return no_room(fd, here(fd) + total(parts, count)) ? -1 : REAL(writev)(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
  return no_room(fd, at + count) ? -1 : REAL(pwrite)(fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  return no_room(fd, at + count) ? -1 : REAL(pwrite64)(fd, bytes, count, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
  return no_room(fd, at + total(parts, count)) ? -1 : REAL(pwritev)(fd, parts, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
  return no_room(fd, at + total(parts, count)) ? -1 : REAL(pwritev64)(fd, parts, count, at);
}

int posix_fallocate(int fd, off_t at, off_t length) {
  return no_room(fd, at + length) ? ENOSPC : REAL(posix_fallocate)(fd, at, length);
}

int posix_fallocate64(int fd, off64_t at, off64_t length) {
  return no_room(fd, at + length) ? ENOSPC : REAL(posix_fallocate64)(fd, at, length);
}

int fallocate(int fd, int mode, off_t at, off_t length) {
  return no_room(fd, at + length) ? -1 : REAL(fallocate)(fd, mode, at, length);
}

int fallocate64(int fd, int mode, off64_t at, off64_t length) {
  return no_room(fd, at + length) ? -1 : REAL(fallocate64)(fd, mode, at, length);
}
