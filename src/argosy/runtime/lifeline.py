"""Start a program that dies with its parent: ``python lifeline.py PARENT_PID PROGRAM [ARGUMENT...]``.

Run as a file by `argosy.runtime.processes`, never imported: it uses the standard library only, so that it costs ten
milliseconds, and it replaces itself with the program, so that the process id stays the same.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Ask the kernel to kill this process when its parent ends, then become the program."""
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the kernel was asked: then nobody would ever tell.
    if os.getppid() != parent:
        os._exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606 (no shell: that is the point)
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        os._exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
