/* A disk that fails as it is told, for one process that is started with this preloaded.
 *
 * FAILING_DISK_PREFIX   files whose path begins so are on this disk
 * FAILING_DISK_CONTROL  a file of struct control, shared with the test, which changes it while the process runs
 *
 * Each call on such a file is counted. One that a rule is for fails with its error, or waits first, or both. A rule of an
 * error 0 only waits. Writing may be given a number of bytes after which the disk is full; a write across that limit
 * comes back short, as a real one does.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { OPEN, WRITE, SYNC, TRUNCATE, UNLINK, OPERATIONS };

struct rule {
    _Atomic int32_t error;     /* errno, or 0 */
    _Atomic int32_t wait_ms;   /* before it, as long as the rule stands */
    _Atomic int32_t active;
    _Atomic int32_t after;     /* calls that still pass before it acts */
    _Atomic int64_t calls;     /* that were made on the disk */
    _Atomic int64_t hit;       /* of them, by the rule */
};

struct control {
    struct rule rules[OPERATIONS];
    _Atomic int64_t room;      /* bytes that can still be written; -1: no limit */
    char suffix[64];           /* only files whose path ends so; empty: all */
};

static struct control *control;
static char prefix[PATH_MAX];
static size_t prefix_length;

__attribute__((constructor)) static void begin(void)
{
    const char *where = getenv("FAILING_DISK_PREFIX"), *name = getenv("FAILING_DISK_CONTROL");
    if (!where || !name || strlen(where) >= sizeof prefix)
        return;
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int file = real_open(name, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        perror("failing_disk: control");
        _exit(99);
    }
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) {
        perror("failing_disk: mmap");
        _exit(99);
    }
    strcpy(prefix, where);
    prefix_length = strlen(prefix);
    control = mapped;
}

static int on_disk(const char *path)
{
    if (strncmp(path, prefix, prefix_length))
        return 0;
    size_t length = strlen(path), wanted = strnlen(control->suffix, sizeof control->suffix);
    return wanted <= length && !memcmp(path + length - wanted, control->suffix, wanted);
}

static int named_on_disk(int at, const char *path)
{
    char whole[PATH_MAX], link[64];
    if (!control || !path)
        return 0;
    if (path[0] == '/')
        return on_disk(path);
    if (at == AT_FDCWD) {
        if (!getcwd(whole, sizeof whole))
            return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t got = readlink(link, whole, sizeof whole - 1);
        if (got < 0)
            return 0;
        whole[got] = 0;
    }
    size_t length = strlen(whole);
    if (length + strlen(path) + 2 > sizeof whole)
        return 0;
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    return on_disk(whole);
}

static int opened_on_disk(int file)
{
    char link[64], path[PATH_MAX];
    int before = errno;
    if (!control)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t got = readlink(link, path, sizeof path - 1);
    errno = before;
    if (got < 0)
        return 0;
    path[got] = 0;
    return on_disk(path);
}

/* 0: go on; else the error that the call is to fail with. */
static int by_rule(int operation)
{
    struct rule *rule = &control->rules[operation];
    atomic_fetch_add(&rule->calls, 1);
    if (!atomic_load(&rule->active))
        return 0;
    if (atomic_load(&rule->after) > 0 && atomic_fetch_sub(&rule->after, 1) > 0)
        return 0;
    atomic_fetch_add(&rule->hit, 1);
    for (int waited = 0; atomic_load(&rule->active) && waited < atomic_load(&rule->wait_ms); waited += 5) {
        struct timespec pause = {0, 5 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    return atomic_load(&rule->active) ? atomic_load(&rule->error) : 0;
}

/* How much of a write there is room for; -1 with errno: none. */
static ssize_t room_for(size_t length)
{
    int64_t room = atomic_load(&control->room);
    if (room < 0 || !length)
        return (ssize_t)length;
    if (!room) {
        errno = ENOSPC;
        return -1;
    }
    int64_t take = (int64_t)length < room ? (int64_t)length : room;
    atomic_store(&control->room, room - take);
    return (ssize_t)take;
}

#define REAL(name)                   \
    static __typeof__(name) *real;   \
    if (!real)                       \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define FAIL_BY_RULE(operation)              \
    do {                                     \
        int rule_error = by_rule(operation); \
        if (rule_error) {                    \
            errno = rule_error;              \
            return -1;                       \
        }                                    \
    } while (0)

#define MODE(flags)                                  \
    mode_t mode = 0;                                 \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {         \
        va_list more;                                \
        va_start(more, flags);                       \
        mode = va_arg(more, mode_t);                 \
        va_end(more);                                \
    }

#define WRITES(flags) (((flags) & O_ACCMODE) != O_RDONLY || ((flags) & (O_CREAT | O_TRUNC)))

int open(const char *path, int flags, ...)
{
    MODE(flags)
    REAL(open);
    if (WRITES(flags) && named_on_disk(AT_FDCWD, path))
        FAIL_BY_RULE(OPEN);
    return real(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags)
    REAL(open64);
    if (WRITES(flags) && named_on_disk(AT_FDCWD, path))
        FAIL_BY_RULE(OPEN);
    return real(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    MODE(flags)
    REAL(openat);
    if (WRITES(flags) && named_on_disk(at, path))
        FAIL_BY_RULE(OPEN);
    return real(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    MODE(flags)
    REAL(openat64);
    if (WRITES(flags) && named_on_disk(at, path))
        FAIL_BY_RULE(OPEN);
    return real(at, path, flags, mode);
}

ssize_t write(int file, const void *data, size_t length)
{
    REAL(write);
    if (opened_on_disk(file)) {
        FAIL_BY_RULE(WRITE);
        ssize_t take = room_for(length);
        if (take < 0)
            return -1;
        length = (size_t)take;
    }
    return real(file, data, length);
}

ssize_t pwrite(int file, const void *data, size_t length, off_t at)
{
    REAL(pwrite);
    if (opened_on_disk(file)) {
        FAIL_BY_RULE(WRITE);
        ssize_t take = room_for(length);
        if (take < 0)
            return -1;
        length = (size_t)take;
    }
    return real(file, data, length, at);
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t at)
{
    REAL(pwrite64);
    if (opened_on_disk(file)) {
        FAIL_BY_RULE(WRITE);
        ssize_t take = room_for(length);
        if (take < 0)
            return -1;
        length = (size_t)take;
    }
    return real(file, data, length, at);
}

int fsync(int file)
{
    REAL(fsync);
    if (opened_on_disk(file))
        FAIL_BY_RULE(SYNC);
    return real(file);
}

int fdatasync(int file)
{
    REAL(fdatasync);
    if (opened_on_disk(file))
        FAIL_BY_RULE(SYNC);
    return real(file);
}

int ftruncate(int file, off_t length)
{
    REAL(ftruncate);
    if (opened_on_disk(file))
        FAIL_BY_RULE(TRUNCATE);
    return real(file, length);
}

int ftruncate64(int file, off64_t length)
{
    REAL(ftruncate64);
    if (opened_on_disk(file))
        FAIL_BY_RULE(TRUNCATE);
    return real(file, length);
}

int unlink(const char *path)
{
    REAL(unlink);
    if (named_on_disk(AT_FDCWD, path))
        FAIL_BY_RULE(UNLINK);
    return real(path);
}
