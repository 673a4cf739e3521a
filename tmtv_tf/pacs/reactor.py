"""How pynetdicom's threads are paused safely."""

from __future__ import annotations

import threading


class Gate:
    """The event that pauses the reactor of an association, in place of pynetdicom's own.

    pynetdicom 3.0 takes a reactor that is about to wait for one that waits. On a busy computer that reactor then takes
    an answer for itself now and then, and the call waits for it until the time is up. Here `clear` returns when the
    reactor does wait.
    """

    def __init__(self, reactor: threading.Thread) -> None:
        self._reactor = reactor
        self._change = threading.Condition()
        self._open, self._waits = True, False

    def is_set(self) -> bool:
        """Whether the reactor runs."""
        return self._open

    def set(self) -> None:
        """Let the reactor run."""
        with self._change:
            self._open = True
            self._change.notify_all()

    def clear(self) -> None:
        """Stop the reactor; not before it stands still."""
        with self._change:
            self._open = False
            while not (self._waits or self._open) and self._reactor.is_alive():
                self._change.wait(0.05)

    def wait(self, timeout: float | None = None) -> bool:
        """Of the reactor: go on when it may."""
        with self._change:
            self._waits = True
            self._change.notify_all()
            self._change.wait_for(lambda: self._open, timeout)
            self._waits = False
            return self._open
