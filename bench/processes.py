"""What /proc says of the processes below this one: their CPU time and their memory."""

import os

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def below(ancestor):
    """The living processes below `ancestor`, any number of generations down: pid to CPU seconds of its own."""
    parents, seconds = {}, {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        fields = _stat(name)
        if fields and fields[0] != "Z":
            parents[int(name)] = int(fields[1])
            seconds[int(name)] = (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
    return {pid: seconds[pid] for pid in parents if _descends(pid, ancestor, parents)}


def _stat(name):
    """The fields of /proc/PID/stat from the state on: the name before them may hold blanks and parentheses."""
    try:
        with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def _descends(pid, ancestor, parents):
    while pid in parents:
        pid = parents[pid]
        if pid == ancestor:
            return True
    return False


def memory_bytes(pid):
    """Proportional set size, so that what processes share counts once; and whether it is that. A process that hides
    its maps from us is counted by its resident set size, which is never less."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024, True
    except PermissionError:
        return _resident_bytes(pid), False
    except OSError:
        pass
    return 0, True


def _resident_bytes(pid):
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def busy_seconds():
    """CPU seconds that the whole machine has been busy since it started, time taken by its host included."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _io, irq, soft, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / TICKS_A_SECOND
