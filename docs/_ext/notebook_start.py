"""Run by every kernel at its start: a shell cell prints its output as one piece, and fails the build if it fails.

IPython's own `%%bash` hands output over in pieces as they come, which the pages would show apart.
"""

import subprocess

from IPython.core.getipython import get_ipython


def _bash(line: str, cell: str) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", cell],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    print(done.stdout, end="")
    done.check_returncode()


if (_shell := get_ipython()) is not None:
    _shell.register_magic_function(_bash, "cell", "bash")
