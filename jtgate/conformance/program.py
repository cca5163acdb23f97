"""A codec in any language, as a program that answers lines with lines (conformance/vectors/README.md)."""

import json
import os
import select
import shlex
import subprocess
from time import monotonic
from typing import Any, Final

from jtgate.conformance.vectors import CodecBroken, Json, Unsupported, Vector

#: Seconds that a program may take for one line.
ANSWER_S: Final = 30.0
#: Longest answer.
LINE_BYTES_MAX: Final = 16 << 20
#: How often a program that ended is started again.
RESTARTS_MAX: Final = 5
_READ_BYTES: Final = 1 << 16
#: Seconds to end by itself when its input is closed.
_FAREWELL_S: Final = 5.0


class NoProgram(Exception):
    """The program cannot be started; the message says why."""


class ProgramCodec:
    """Asks a program.

    Args:
        command: program and arguments, as in a shell.
        encodes: ask it to encode as well.
        answer_s: seconds for one answer.

    Raises:
        NoProgram: there is no such program.
    """

    names_deviations = False

    def __init__(self, command: str, *, encodes: bool = False, answer_s: float = ANSWER_S) -> None:
        self.encodes = encodes
        self._words = shlex.split(command)
        self._answer_s = answer_s
        self._starts = 0
        self._held = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    def decode(self, vector: Vector) -> list[Json]:
        """One line with the pieces in hex, settings in front."""
        settings = [f"{name}={value}" for name, value in vector.settings.items()]
        answer = self._ask(" ".join([*settings, *(chunk.hex() for chunk in vector.chunks if chunk)]))
        return answer if isinstance(answer, list) else [answer]

    def encode(self, vector: Vector) -> list[bytes]:
        """One line with the word encode, settings, and the object."""
        settings = [f"{name}={value}" for name, value in vector.settings.items()]
        answer = self._ask(" ".join(["encode", *settings, json.dumps(vector.expect[-1], ensure_ascii=False)]))
        words = answer if isinstance(answer, list) else [answer]
        try:
            return [bytes.fromhex(word) for word in words]
        except (TypeError, ValueError):
            raise CodecBroken(f"encoded: hex in a JSON string expected, {str(answer)[:100]} came") from None

    def close(self) -> None:
        """Let the program end."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            try:
                process.stdin.close()
            except OSError:
                process.kill()
        try:
            process.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _start(self) -> None:
        self._starts += 1
        self._held = b""
        try:
            self._process = subprocess.Popen(  # noqa: S603  the program that the user names
                self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except (OSError, IndexError) as error:
            raise NoProgram(f"{' '.join(self._words) or 'the command'}: {error}") from error

    def _ask(self, line: str) -> Any:
        """Send a line and read one.

        Raises:
            Unsupported: the answer is null.
            CodecBroken: there is none, or it is no JSON.
        """
        if self._process is None:
            if self._starts > RESTARTS_MAX:
                raise CodecBroken(f"not asked: the program has ended {self._starts} times")
            self._start()
        try:
            answer = json.loads(self._exchange(line.encode() + b"\n"))
        except ValueError as error:
            raise CodecBroken(f"the answer is no JSON: {error}") from error
        if answer is None:
            raise Unsupported
        return answer

    def _exchange(self, line: bytes) -> bytes:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise CodecBroken("the program is not running")
        deadline = monotonic() + self._answer_s
        try:
            process.stdin.write(line)
            process.stdin.flush()
        except OSError:
            raise self._ended(process) from None
        while b"\n" not in self._held:
            ready, _, _ = select.select([process.stdout], [], [], max(deadline - monotonic(), 0))
            if not ready or len(self._held) > LINE_BYTES_MAX:
                process.kill()
                self._ended(process)
                raise CodecBroken(f"no answer within {self._answer_s:g} s" if not ready else "the answer does not end")
            more = os.read(process.stdout.fileno(), _READ_BYTES)
            if not more:
                raise self._ended(process)
            self._held += more
        answer, _, self._held = self._held.partition(b"\n")
        return answer

    def _ended(self, process: subprocess.Popen[bytes]) -> CodecBroken:
        """The program is gone: clean up, and say so."""
        self.close()
        return CodecBroken(f"the program ended with exit code {process.returncode}")
