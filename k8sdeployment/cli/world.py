"""What surrounds the command line: the programs it runs, the clock, the files. One value; tests bring their own."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from k8sdeployment.cli.codes import SnopairError
from k8sdeployment.pair import paths, words

# A program's words, how many seconds it may take, what it is given on stdin; gives what it wrote on stdout.
Run = Callable[[Sequence[str], float, Optional[str]], str]


class ProgramError(SnopairError):
    """A program failed, was not there, or took too long. `output`: what it wrote to stdout; `status` None if it never
    ended by itself."""

    def __init__(self, sentence: str, output: str = "", status: Optional[int] = None) -> None:
        super().__init__(sentence, output, status)
        self.sentence, self.output, self.status = sentence, output, status

    def __str__(self) -> str:
        return self.sentence


def run(argv: Sequence[str], seconds: float, text: Optional[str] = None) -> str:
    """What a program wrote to stdout; ProgramError when it fails or takes longer."""
    # The product's own path must not reach pcs, which is a Python program of its own.
    env = {**os.environ, "PYTHONPATH": "", "PYTHONWARNINGS": "ignore", "LC_ALL": "C.UTF-8"}
    name = os.path.basename(argv[0])
    try:
        done = subprocess.run(list(argv), input=text, capture_output=True, text=True, timeout=seconds, env=env,
                              errors="replace")
    except subprocess.TimeoutExpired:
        raise ProgramError(f"{name} did not answer within {seconds:.0f} s") from None
    except OSError as error:
        raise ProgramError(f"{name} cannot be run: {error.strerror}") from error
    if done.returncode:
        said = words.last(done.stderr, done.stdout)
        raise ProgramError(f"{name} failed ({done.returncode}): {said}", done.stdout, done.returncode)
    return done.stdout


def in_the_pod() -> bool:
    """Whether the cluster's own programs can be asked here: in the peer pod, or on a host with an agent installed."""
    return shutil.which("crm_mon") is not None and Path(paths.PERMITS).is_dir()


@dataclass(frozen=True)
class World:
    """The real one unless a test says otherwise. `clock`: epoch seconds; `monotonic`: seconds that no one can set."""

    run: Run = run
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    here: Callable[[], bool] = in_the_pod
    snapshot: Path = Path(paths.STATUS)
    pair: Path = Path(paths.CONDUCTOR) / paths.PAIR_FILE
    liars: Path = Path(paths.LIARS)
