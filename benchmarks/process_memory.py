"""The memory of this process."""


def resident_peak_bytes() -> int:
    """The most that it has had (ru_maxrss would start from what the process that started it had)."""
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
