"""Processes that play episodes by number: handing out numbers, surviving a process that dies."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from worldsim.data import Episode
from worldsim.errors import WorldsimError

MAX_RESTARTS = 5  # of workers that died, in one run
MAX_TRIES = 2  # of one episode whose worker died


class Crew:
    """Worker processes that play numbered episodes; a dead one is reported and replaced.

    Args:
        work: What a worker process runs: takes `settings` and its connection, answers every
            number it receives with ("episode", fields), ("dull", fields) to have the episode left
            out, or ("error", message).
        settings: Passed on to every worker.
        numbers: Episode numbers to play, in this order.
        num_workers: How many processes.
    """

    def __init__(
        self,
        work: Callable[[dict[str, Any], Connection], None],
        settings: dict[str, Any],
        numbers: Iterator[int],
        num_workers: int,
    ) -> None:
        """Start the workers."""
        self._work, self._settings, self._numbers = work, settings, numbers
        self._context = mp.get_context("spawn")
        self._again: deque[int] = deque()
        self._tries: dict[int, int] = {}
        self._restarts = 0
        self._workers: dict[Connection, tuple[Any, int]] = {}
        for _ in range(num_workers):
            self._hire()

    def next_episode(self) -> Episode:
        """Wait for whichever episode is finished next.

        Raises:
            WorldsimError: A worker said why it cannot work, or too many died.
        """
        while True:
            for connection in wait(list(self._workers)):
                assert isinstance(connection, Connection)
                process, number = self._workers[connection]
                try:
                    kind, content = connection.recv()
                except (EOFError, OSError):
                    self._replace(connection)
                    continue
                if kind == "error":
                    raise WorldsimError(content)
                self._give(connection, process)
                if kind == "episode":
                    return Episode(**content)

    def close(self) -> None:
        """Let the workers end; one that does not within seconds is terminated."""
        for connection in self._workers:
            connection.close()
        for process, _ in self._workers.values():
            process.join(timeout=10)
            if process.is_alive():
                process.terminate()
                process.join()
        self._workers.clear()

    def _hire(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=self._work, args=(self._settings, theirs), daemon=True
        )
        process.start()
        theirs.close()
        self._give(ours, process)

    def _give(self, connection: Connection, process: Any) -> None:
        number = self._again.popleft() if self._again else next(self._numbers)
        self._workers[connection] = (process, number)
        with contextlib.suppress(OSError):  # it died; next_episode will notice
            connection.send(number)

    def _replace(self, connection: Connection) -> None:
        process, number = self._workers.pop(connection)
        connection.close()
        process.join()
        self._restarts += 1
        self._tries[number] = self._tries.get(number, 0) + 1
        if self._restarts > MAX_RESTARTS:
            raise WorldsimError(
                f"workers died {self._restarts} times (last exit status {process.exitcode}): "
                "use num_workers=1 and look at the output above; finished episodes are kept"
            )
        again = self._tries[number] < MAX_TRIES
        if again:
            self._again.append(number)
        print(
            f"a worker died with status {process.exitcode} in episode {number}; started a new one"
            + ("" if again else " and left that episode out"),
            flush=True,
        )
        self._hire()
