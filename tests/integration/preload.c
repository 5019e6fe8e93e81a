/* What tests put between the daemon and libc (LD_PRELOAD; see preload.py): a steady clock that they can put forward, and
 * names whose lookup never ends. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t* ahead; /* nanoseconds, in a file that the test writes */

__attribute__((constructor)) static void open_file(void) {
    const char* const path = getenv("CLOCK_AHEAD");
    const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void* const mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED) ahead = mapped;
    if (fd >= 0) close(fd);
}

int clock_gettime(clockid_t clock, struct timespec* to) {
    const int result = (int)syscall(SYS_clock_gettime, clock, to);
    if (result != 0 || clock != CLOCK_MONOTONIC || !ahead) return result;
    const int64_t nanoseconds = to->tv_nsec + *ahead;
    to->tv_sec += nanoseconds / 1000000000;
    to->tv_nsec = nanoseconds % 1000000000;
    return 0;
}

int getaddrinfo(const char* name, const char* service, const struct addrinfo* hints, struct addrinfo** found) {
    static const char never[] = ".never.test";
    const size_t length = name ? strlen(name) : 0, tail = sizeof never - 1;
    if (length > tail && strcmp(name + length - tail, never) == 0)
        for (;;) pause();
    int (*real)(const char*, const char*, const struct addrinfo*, struct addrinfo**);
    *(void**)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, found);
}
