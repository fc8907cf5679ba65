"""How much memory a process took, for the small programs that tests start."""

# Not ru_maxrss: execve() keeps in it what the process had taken that started the program, which
# here is the whole test run.
PEAK_MIB = """
def peak_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) // 1024
"""
