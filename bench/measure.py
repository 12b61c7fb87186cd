"""Runs one command and says what it cost: wall time, CPU time of all its processes, and their peak memory together.

This process adopts orphans (PR_SET_CHILD_SUBREAPER), so that every process of a command is waited for by its parent or
by us, and `RUSAGE_CHILDREN` has them all. What /proc shows of them is the check on that, and the source for memory.
"""

import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

import processes
from settings import Refusal

SAMPLE_EVERY_S = 0.05
# Looking at memory must not slow down what is looked at: at most a tenth of one core.
SAMPLE_SHARE_MAX = 0.1
LOOK_EVERY_S = 0.02
LIMIT_S = 3600
# Nothing of a command should outlive it.
ORPHANS_S = 5
PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Cost:
    """What a command cost. `lines` are those of its standard output, each with the seconds after which it came."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0
    # Share of the machine that others took meanwhile.
    others: float = 0.0
    # After how long the file that was waited for was there.
    appeared_s: float | None = None
    lines: list = field(default_factory=list)
    # Some process showed its resident set alone.
    resident: bool = False


def adopt_orphans():
    """To be called once, before anything is measured."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise Refusal(f"bench: prctl refused: {os.strerror(ctypes.get_errno())}")


def run(command, log, appears=None):
    """Runs `command`, whose standard error goes to `log`, until it and all that it started have ended."""
    cost = Cost()
    busy, own, children = processes.busy_seconds(), _cpu(resource.RUSAGE_SELF), _cpu(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    with open(log, "w", encoding="utf-8") as errors:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    over = threading.Event()
    sampler = Sampler(over)
    helpers = [
        threading.Thread(target=sampler.run),
        threading.Thread(target=_read, args=(child.stdout, began, cost)),
        threading.Thread(target=_look, args=(appears, over, began, cost)),
    ]
    try:
        for helper in helpers:
            helper.start()
        status = _wait(child)
        cost.wall_s = time.monotonic() - began
        _reap_orphans(command)
    finally:
        _kill_all()
        over.set()
        for helper in helpers:
            helper.join()
    cost.cpu_s = _cpu(resource.RUSAGE_CHILDREN) - children
    cost.peak_bytes, cost.resident = sampler.peak_bytes, sampler.resident
    others_s = processes.busy_seconds() - busy - cost.cpu_s - (_cpu(resource.RUSAGE_SELF) - own)
    cost.others = max(0.0, others_s) / (cost.wall_s * os.cpu_count())
    if status != 0:
        raise Refusal(f"bench: {command[0]} ended with status {status}; its last words:\n{_tail(log)}")
    _check_accounts(command, cost, sampler)
    return cost


class Sampler:
    """Looks at the processes below this one every `SAMPLE_EVERY_S`."""

    def __init__(self, over):
        self.over = over
        self.peak_bytes = 0
        self.resident = False
        # CPU seconds when each process was last seen.
        self.seconds = {}

    def run(self):
        pause = 0.0
        while not self.over.wait(pause):
            began = time.monotonic()
            self.look()
            took = time.monotonic() - began
            pause = max(SAMPLE_EVERY_S - took, took * (1 / SAMPLE_SHARE_MAX - 1))

    def look(self):
        total = 0
        for pid, seconds in processes.below(os.getpid()).items():
            self.seconds[pid] = seconds
            size, proportional = processes.memory_bytes(pid)
            total += size
            self.resident |= not proportional
        self.peak_bytes = max(self.peak_bytes, total)


def _cpu(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _wait(child):
    try:
        return child.wait(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise Refusal(f"bench: {child.args[0]} was still running after {LIMIT_S} s") from None


def _reap_orphans(command):
    deadline = time.monotonic() + ORPHANS_S
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        except ChildProcessError:
            return
    raise Refusal(f"bench: {command[0]} has ended, and a process that it started has not")


def _kill_all():
    for pid in processes.below(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _read(stream, began, cost):
    for line in stream:
        cost.lines.append((time.monotonic() - began, line))


def _look(path, over, began, cost):
    while path and not path.exists():
        if over.wait(LOOK_EVERY_S):
            return
    if path:
        cost.appeared_s = time.monotonic() - began


def _check_accounts(command, cost, sampler):
    seen = sum(sampler.seconds.values())
    if seen > cost.cpu_s * 1.02 + 0.2:
        raise Refusal(
            f"bench: {command[0]}: its processes were seen to use {seen:.2f} CPU seconds, and only {cost.cpu_s:.2f} "
            "are accounted for: one of them is not waited for"
        )


def _tail(log):
    with open(log, encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[-10:]).rstrip() or "(none)"
