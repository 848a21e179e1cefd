/* Preloaded into a process by a test: on SIGUSR2 it takes 200 MiB that the books of the process
   know nothing of, and on SIGUSR1 it gives them back. Both calls go straight to the kernel, so
   that a handler may make them. */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#define BYTES (200UL << 20)

static void *held;

static void leak(int number) {
    (void)number;
    if (held)
        return;
    void *at = mmap(0, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return;
    memset(at, 1, BYTES);
    held = at;
}

static void give_back(int number) {
    (void)number;
    if (held)
        munmap(held, BYTES);
    held = 0;
}

__attribute__((constructor)) static void listen_for_signals(void) {
    signal(SIGUSR2, leak);
    signal(SIGUSR1, give_back);
}
