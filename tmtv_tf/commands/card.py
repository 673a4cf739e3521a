"""`tmtv card`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def card(
    model: Annotated[
        str, typer.Argument(help="Model file: .keras or .openvino, or the name of a packaged network.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the card.")],
    run: Annotated[Path | None, typer.Option(help="Folder that its training wrote.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="What tmtv evaluate wrote about results of this file.")
    ] = None,
    cases: Annotated[Path | None, typer.Option(help="The cases, as tmtv prepare wrote them.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the network. Default: that of the file.")] = None,
    link: Annotated[str, typer.Option(help="Where the network can be had; RSNA's ATLAS requires it.")] = "",
) -> None:
    """Write the card of a network: RSNA ATLAS, CLAIM 2024 and RELAINCE, from what its run recorded.

    tmtv card runs/vnet/best.keras --run runs/vnet --report report --cases cases --out card

    card.md is for people, the other files for machines. What is not known is said to be missing, never guessed.
    """
    from petct.files import locked, require_writable
    from tmtv_tf.card.claim import claim_items
    from tmtv_tf.card.facts import gather
    from tmtv_tf.card.write import summary, write_card
    from tmtv_tf.inference.load import find_model

    facts = gather(find_model(model), name=name, link=link, run=run, report=report, cases=cases)
    require_writable(out)
    with locked(out):
        page = write_card(facts, out)
    print(f"CLAIM 2024: {summary(claim_items(facts))}. Card: {page}")
