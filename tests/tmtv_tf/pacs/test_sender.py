"""Sending again."""

from __future__ import annotations

from tmtv_tf.pacs import sender


def test_pauses_grow_to_ten_minutes() -> None:
    assert [sender.pause_s(tries) for tries in (1, 2, 3, 7, 8, 1000)] == [5, 10, 20, 320, 600, 600]
