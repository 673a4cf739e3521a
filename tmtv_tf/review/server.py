"""`tmtv review`: the loop that serves the page, on this computer only."""

from __future__ import annotations

import os
import socket
import sys
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from threading import Timer

from petct.errors import CaseError, ParameterError, TmtvError
from petct.files import locked, remove_leftovers, require_writable
from tmtv_tf.review.cases import Review
from tmtv_tf.review.routes import STATIC, application
from tmtv_tf.review.security import new_token
from tmtv_tf.review.worklist import Folders


def serve(
    folders: Folders, reader: str, *, adjudicates: Sequence[str] = (), port: int = 0, browser: bool = True
) -> None:
    """Serve until Ctrl-C; print the address. What is open is saved at the end.

    Raises
    ------
    TmtvError
        No results, a folder that cannot be written, or a port that is taken.
    """
    import uvicorn

    if not (STATIC / "app.js").is_file():
        raise CaseError(
            f"{STATIC}: the page is not built; run make page in the source folder (it needs npm or pip)."
        )
    review = Review(folders, reader, adjudicates)
    require_writable(folders.results)
    # Where another run writes, they stay until the next start.
    with suppress(TmtvError), locked(folders.table_root):
        remove_leftovers(folders.table_root)
    with listening(port) as listener:
        port, token = listener.getsockname()[1], new_token()
        address = f"http://127.0.0.1:{port}/?token={token}"
        count = len(review.case_ids)
        print(f"Review of {count} case{'s' * (count != 1)}: {address}", flush=True)
        print("Only programs of this computer reach it. Ctrl-C ends it.", file=sys.stderr, flush=True)
        if browser and _has_display():
            Timer(0.5, webbrowser.open, [address]).start()
        config = uvicorn.Config(
            application(review, token, port), log_level="warning", access_log=False, server_header=False
        )
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            print("Review ended.", file=sys.stderr)
        finally:
            review.shutdown()


def listening(port: int) -> socket.socket:
    """A socket of this computer alone; the printed address can be opened at once.

    It says that it is TCP: asyncio turns off Nagle's algorithm only then. Else an answer waits 40 ms for the browser's
    acknowledgement of its header when clicks follow each other quickly.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ParameterError(f"--port {port}: cannot be used ({error.strerror}).") from error
    return listener


def _has_display() -> bool:
    """Whether a browser would open a window, not take over the terminal."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
