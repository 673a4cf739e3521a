"""The pause of pynetdicom's reactor, without which answers are lost on a busy computer."""

from __future__ import annotations

import threading
import time

import pytest

from tmtv_tf.pacs.reactor import Gate


class Reactor(threading.Thread):
    """As pynetdicom's: it says that it is paused, waits, and works."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.gate: Gate | threading.Event = Gate(self)
        self.paused = self.works = self.ends = False

    def run(self) -> None:
        while not self.ends:
            self.paused = True
            self.gate.wait()
            time.sleep(0.005)  # it was about to wait, and another thread had the processor
            self.paused, self.works = False, True
            time.sleep(0.005)
            self.works = False


def was_working(reactor: Reactor) -> int:
    """How often it worked although it was told to stop and said that it stands still."""
    found = 0
    for _ in range(20):
        reactor.gate.clear()
        while not reactor.paused:
            time.sleep(0.0001)
        end = time.monotonic() + 0.012
        seen = False
        while time.monotonic() < end:
            seen = seen or reactor.works
            time.sleep(0.0005)
        found += seen
        reactor.gate.set()
        time.sleep(0.004)
    reactor.ends = True
    return found


def test_a_paused_reactor_stands_still() -> None:
    reactor = Reactor()
    reactor.start()
    assert was_working(reactor) == 0


def test_pynetdicoms_own_event_would_not_do() -> None:
    """Or the test above would prove nothing."""
    reactor = Reactor()
    reactor.gate = threading.Event()
    reactor.gate.set()
    reactor.start()
    assert was_working(reactor) > 0


@pytest.mark.parametrize("opens", [False, True])
def test_a_dead_reactor_blocks_nobody(opens: bool) -> None:
    reactor = Reactor()
    gate = Gate(reactor)  # it was never started
    gate.clear()
    assert not gate.is_set()
    if opens:
        gate.set()
    assert gate.wait(0.01) is opens
