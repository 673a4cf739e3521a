"""Debian's firefox-esr without a screen, asked through WebDriver BiDi (W3C)."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tornado.websocket import websocket_connect

# Nothing of the browser's own goes to the network.
QUIET = {
    '"services.settings.server"': '"data:,"',
    '"app.normandy.enabled"': "false",
    '"app.update.disabledForTesting"': "true",
    '"network.captive-portal-service.enabled"': "false",
    '"network.connectivity-service.enabled"': "false",
    '"browser.region.update.enabled"': "false",
}
START_S = 120.0  # other tests may load the computer


def evaluate(firefox: str, profile: Path, address: str, expression: str) -> Any:
    """Open an address and wait for a promise of the page; its value."""
    profile.mkdir()
    (profile / "user.js").write_text(
        "".join(f"user_pref({name}, {value});\n" for name, value in QUIET.items())
    )
    command = [
        firefox,
        "--headless",
        "--no-remote",
        "--profile",
        str(profile),
        "--remote-debugging-port",
        "0",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        try:
            assert started.stderr is not None
            found = next(
                (m for line in started.stderr if (m := re.search(r"BiDi listening on (ws://\S+)", line))),
                None,
            )
            assert found, "firefox-esr did not start"
            asked = asyncio.wait_for(_ask(found[1], address, expression), START_S)
            with ThreadPoolExecutor(1) as other:  # Playwright keeps a loop running in this one
                return other.submit(asyncio.run, asked).result()
        finally:
            started.kill()


async def _ask(socket: str, address: str, expression: str) -> Any:
    connection = await websocket_connect(f"{socket}/session")
    number = 0

    async def send(method: str, **params: Any) -> dict[str, Any]:
        nonlocal number
        number += 1
        await connection.write_message(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(await connection.read_message() or '{"type": "error", "message": "closed"}')
            if answer.get("id", number) == number:
                assert answer["type"] == "success", answer
                return answer["result"]

    await send("session.new", capabilities={})
    context = (await send("browsingContext.getTree"))["contexts"][0]["context"]
    await send("browsingContext.navigate", context=context, url=address, wait="complete")
    answer = await send(
        "script.evaluate", expression=expression, target={"context": context}, awaitPromise=True
    )
    return answer["result"].get("value")
