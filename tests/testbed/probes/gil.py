"""Who gets the GIL next, how long its holder keeps it, and what system calls lose it.

    python tests/testbed/probes/gil.py --cores 0      # or 0,1

Threads of this process compute and sleep, as a server's do. A small library put in front of libc's
(built with `cc` on the way) writes down each wait for and each signal of the condition variable
behind CPython's GIL, so that it is known who took it, who waited, and since when. Printed:

* for each number of waiters how often the one took it that had slept longest, and that had come
  first. Here, 5 s each, CPython 3.11 and glibc 2.36: on one core the longest asleep 100 of 100
  times, of up to six; on two 65 to 93 of 100, and else mostly the one that fell asleep last.
  By when they came it is as good as chance.
* how long a hand-over takes: 8 to 25 us on one core; to another core 34 to 60.
* `--bound 3 --sleepers 0`: how long one that computes keeps it: 6.45 ms on one core (the one that
  had to hand over begins to wait when it has the core again, a slice of 1.4 ms later), 5.1 on two.

Preloaded into a server (LIBRARY=$(python gil.py --build); LD_PRELOAD=$LIBRARY GIL_TRACE=/tmp/trace
record.py ...) it traces that, and `gil.py --read /tmp/trace.PID` says the same, and how often the
GIL was lost over a system call by how long that took. `gthread-w1t16-c2` at 85 a second: up to 2 us
3 of 100 times where another waited, up to 5 us 10, 15 us 13, 40 us 25, 100 us 58, beyond that 93;
after 1 ms or more of computing 65 (`fastapi-def-w2-c2` at 110: 76). On one core none of those below
15 us; but an event loop loses it there over calls that do not block: the first one after it was
given the GIL 13 to 20 of 100 times, the others 2 to 4, and 9 to 23 while more than five wait
(`async-def-w1-c1` at 50 and 75, `fastapi-def-w1-c1` at 75, `async-def-w1-mix-c1` at 45; ten calls a
request). gunicorn's main thread: 1 of 100, but for the one that wakes the thread it hands over to.
"""

import argparse
import collections
import mmap
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
typedef struct { uint64_t at, cond; int32_t thread; char what, timed_out; int16_t unused; } event;
enum { MOST = 1500000 };
static event *events; static atomic_long count; static __thread int thread;
static int (*timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*signal_)(pthread_cond_t *);
static void forked(void) { events = 0; count = 0; thread = 0; }
static void start(void) {
  static int once; char name[300];
  if (events) return;
  timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  signal_ = dlvsym(RTLD_NEXT, "pthread_cond_signal", "GLIBC_2.3.2");
  snprintf(name, 300, "%s.%d", getenv("GIL_TRACE"), getpid());
  int file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (ftruncate(file, MOST * sizeof(event))) abort();
  events = mmap(0, MOST * sizeof(event), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (!once) { once = 1; pthread_atfork(0, 0, forked); }
}
static void note(void *cond, char what, char timed_out) {
  struct timespec now; long place = atomic_fetch_add(&count, 1);
  if (!thread) thread = syscall(SYS_gettid);
  if (place >= MOST) return;
  clock_gettime(CLOCK_MONOTONIC, &now);
  event *it = events + place;
  it->at = now.tv_sec * 1000000000ull + now.tv_nsec;
  it->cond = (uint64_t)cond; it->thread = thread; it->what = what; it->timed_out = timed_out;
}
int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t) {
  start(); note(c, 't', 0); int failed = timedwait(c, m, t); note(c, 'T', failed ? 1 : 0);
  return failed;
}
int pthread_cond_signal(pthread_cond_t *c) { start(); note(c, 's', 0); return signal_(c); }
int epoll_pwait(int fd, struct epoll_event *e, int most, int ms, const sigset_t *mask) {
  start(); note(0, ms ? 'p' : 'q', 0); return syscall(SYS_epoll_pwait, fd, e, most, ms, mask, 8);
}
int epoll_wait(int fd, struct epoll_event *e, int most, int ms) {
  return epoll_pwait(fd, e, most, ms, 0);
}
"""

SWITCH_COND = 0x58
"""How far behind the GIL's condition variable the one lies that says that it was taken (3.11)."""

ROW = struct.Struct("<QQicbh")
CALLS_US = (2, 5, 15, 40, 100, 600)


def build() -> Path:
    """The library, built."""
    folder = Path(tempfile.mkdtemp(prefix="gil-"))
    (folder / "trace.c").write_text(SOURCE, encoding="utf-8")
    library = folder / "trace.so"
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", library, folder / "trace.c", "-ldl"]
    subprocess.run(command, check=True)
    return library


def load(cores: str, bound: int, sleepers: int, seconds: float) -> None:
    """Threads that compute without end, and others that compute 6 ms and sleep, on the mean."""
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    end = time.monotonic() + seconds

    def run(number: int, forever: bool) -> None:
        rng = random.Random(number)
        while time.monotonic() < end:
            if not forever:
                time.sleep(rng.expovariate(1.0 / (0.0072 * sleepers)))
            until = time.thread_time() + (1.0 if forever else rng.expovariate(1.0 / 0.006))
            while time.thread_time() < until and time.monotonic() < end:
                for _ in range(60):
                    pass

    threads = [threading.Thread(target=run, args=(n, n < bound)) for n in range(bound + sleepers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def events(trace: Path) -> list[tuple[int, str, int]]:
    """What happened to the GIL: when (ns), what (`take`, `drop`, `sleep`), and which thread; and when
    one that has dropped it waits for its sockets (`poll`)."""
    with trace.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        rows = []
        for at in range(0, len(data), ROW.size):
            row = ROW.unpack_from(data, at)
            if row[0] == 0:
                break
            rows.append(row)
    rows.sort()
    signals = collections.Counter(row[1] for row in rows if row[3] == b"s")
    gil = max((c for c in signals if c + SWITCH_COND in signals), key=lambda c: signals[c])
    names = {(gil, b"s"): "drop", (gil + SWITCH_COND, b"s"): "take", (gil, b"t"): "sleep"}
    names[0, b"p"] = "poll"
    found = ((at, names.get((cond, what)), thread) for at, cond, thread, what, _, _ in rows)
    return [(at, name, thread) for at, name, thread in found if name]


def judge(trace: Path) -> None:
    """Prints what the head of this file says."""
    slept: dict[int, int] = {}
    came: dict[int, int] = {}
    dropped: dict[int, tuple[int, int]] = {}
    others: set[int] = set()
    waiting: dict[int, int] = {}
    by_sleep: dict[int, list[int]] = collections.defaultdict(list)
    by_coming: dict[int, list[int]] = collections.defaultdict(list)
    calls: dict[int, list[bool]] = collections.defaultdict(list)
    keeps, took_at, free_at, holder = [], 0, 0, 0
    for at, name, thread in events(trace):
        if name == "sleep":
            slept[thread] = at
            came.setdefault(thread, at)
        elif name == "poll":
            continue
        elif name == "drop":
            waiting = {who: since for who, since in slept.items() if who != thread}
            dropped[thread] = (at, len(waiting))
            free_at = at
        else:
            if thread != holder and thread in waiting:
                order = sorted(waiting, key=waiting.__getitem__)
                by_sleep[len(order)].append(order.index(thread))
                by_coming[len(order)].append(sorted(order, key=came.__getitem__).index(thread))
            if thread != holder:
                keeps.append((free_at - took_at) / 1e6)
                took_at = at
                others |= dropped.keys() - {thread}
            if thread in dropped:
                since, many = dropped.pop(thread)
                took = (came.get(thread, at) - since) / 1e3
                if many:
                    bound = next((us for us in CALLS_US if took <= us), None)
                    calls[bound or 0].append(thread in others)
            others.discard(thread)
            slept.pop(thread, None)
            came.pop(thread, None)
            holder = thread
    for many in sorted(by_sleep):
        for text, ranks in (("longest asleep", by_sleep[many]), ("first come", by_coming[many])):
            shares = [f"{ranks.count(rank) / len(ranks):.2f}" for rank in range(many)]
            print(f"{many} wait, {len(ranks)} times, by {text}: {' '.join(shares)}")
    keeps.sort()
    quantiles = ", ".join(f"{keeps[int(len(keeps) * p)]:.2f}" for p in (0.1, 0.5, 0.9))
    print(f"kept for {quantiles} ms (10, 50, 90 %)")
    for us in CALLS_US:
        if calls[us]:
            print(f"calls of up to {us} us: {len(calls[us])}, lost {sum(calls[us]) / len(calls[us]):.2f}")


def judge_loops(trace: Path) -> None:
    """Prints how often threads that wait for sockets lost the GIL over calls that do not block."""
    rows = events(trace)
    loops = {thread for _, name, thread in rows if name == "poll"}
    waiting: set[int] = set()
    dropped: dict[int, int] = {}
    first: set[int] = set()
    calls: dict[str, list[bool]] = collections.defaultdict(list)
    holder = 0
    for _, name, thread in rows:
        if name == "sleep":
            waiting.add(thread)
        elif name == "poll":
            dropped.pop(thread, None)
            first.add(thread)
        elif name == "drop":
            dropped[thread] = len(waiting - {thread})
        else:
            waiting.discard(thread)
            many = dropped.pop(thread, 0)
            if thread in loops and many:
                kind = "more than five wait" if many > 5 else "first" if thread in first else "later"
                calls[kind].append(holder != thread)
            first.discard(thread)
            if holder != thread:
                first.add(thread)
            holder = thread
    for kind, lost in sorted(calls.items()):
        print(f"calls of loops, {kind}: {len(lost)}, lost {sum(lost) / len(lost):.3f}")


def main() -> None:
    """Traces this process's own threads, or reads a trace."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cores", default="0")
    parser.add_argument("--bound", type=int, default=1)
    parser.add_argument("--sleepers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--build", action="store_true", help="only build the library; say where")
    parser.add_argument("--read", type=Path, help="a trace that was made before")
    typed = parser.parse_args()
    if typed.build:
        print(build())
    elif typed.read:
        judge(typed.read)
        judge_loops(typed.read)
    elif "GIL_TRACE" in os.environ:
        load(typed.cores, typed.bound, typed.sleepers, typed.seconds)
    else:
        library = build()
        trace = library.with_name("trace")
        environment = {**os.environ, "LD_PRELOAD": str(library), "GIL_TRACE": str(trace)}
        with subprocess.Popen([sys.executable, *sys.argv], env=environment) as process:
            process.wait()
        judge(trace.with_name(f"trace.{process.pid}"))


if __name__ == "__main__":
    main()
