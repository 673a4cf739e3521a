"""Draw the nine models of the study as block diagrams: python -m benchmarks.draw_models docs/figures

Layers of one block become one box, with the size (Z x Y x X) and channels of its last output. Boxes stand in
columns by their distance from the input and in rows by resolution, read from the Keras graph itself.
"""

from __future__ import annotations

import math
import re
import sys
from collections import defaultdict
from pathlib import Path

import keras

from tmtv_tf.models.study import STUDY_MODELS, build_model

BLOCK = re.compile(r"(encoder|decoder|down|up|segmentation|prognosis|stage|block|transition)_?(\d+)")
WORDS = {"pet": "PET", "prognosis": "prognosis", "average": "prognosis", "final": "final BN"}
BOX_W, BOX_H, STEP_X, STEP_Y, MARGIN = 118, 40, 150, 66, 24
COLOURS = {"segmentation": "#d8ecdf", "prognosis": "#fbe3cf", "PET": "#e9e9e9"}


def block_of(layer: str) -> str:
    """The block that a layer belongs to, from its name."""
    found = BLOCK.match(layer)
    if found:
        return f"{found[1]} {found[2]}"
    word = layer.split("_")[0]
    return WORDS.get(word, word)


def draw(model: keras.Model) -> str:
    """The model as SVG."""
    blocks: dict[str, list] = defaultdict(list)
    sources: dict[str, set[str]] = defaultdict(set)
    for layer in model.layers:
        name = block_of(layer.name)
        blocks[name].append(layer)
        for node in layer._inbound_nodes:
            for tensor in node.input_tensors:
                source = block_of(tensor._keras_history.operation.name)
                if source != name:
                    sources[name].add(source)
    column: dict[str, int] = {}
    for name in blocks:  # layers are in topological order
        column[name] = max((column.get(s, 0) + 1 for s in sources[name]), default=0)
    row = {name: _row(name, layers, model.input_shape[1], sources, blocks) for name, layers in blocks.items()}
    return _svg(model.name, blocks, sources, column, row)


def _row(name: str, layers: list, depth: int, sources, blocks) -> float:
    def level(members: list) -> float:
        shapes = [layer.output.shape for layer in members if len(layer.output.shape) == 5]
        return math.log2(depth / shapes[-1][1]) if shapes else 0.0

    if name.startswith("prognosis"):
        lowest = max(_row(s, blocks[s], depth, sources, blocks) for s in sources[name])
        return lowest + (
            0.62 if name[-1].isdigit() else 0
        )  # a head stands below its resolution's segmentation
    return level(layers)


def _label(layers: list) -> str:
    shape = layers[-1].output.shape[1:]
    if len(shape) == 1:
        return f"{shape[0]} classes"
    return f"{'×'.join(str(n) for n in shape[:3])}, {shape[3]}"


def _svg(title: str, blocks, sources, column, row) -> str:
    taken: dict[tuple[int, float], int] = defaultdict(int)
    place = {}
    for name in blocks:
        spot = (column[name], round(row[name], 2))
        place[name] = (MARGIN + STEP_X * spot[0], MARGIN + 20 + STEP_Y * (spot[1] + 0.62 * taken[spot]))
        taken[spot] += 1
    width = max(x for x, _ in place.values()) + BOX_W + MARGIN
    height = max(y for _, y in place.values()) + BOX_H + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="11">',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
        f'<text x="{MARGIN}" y="{MARGIN - 4}" font-size="13" font-weight="bold">{title}</text>',
    ]
    for name, (x, y) in place.items():
        for source in sorted(sources[name]):
            sx, sy = place[source]
            ends = f'x1="{sx + BOX_W}" y1="{sy + BOX_H / 2:.0f}" x2="{x}" y2="{y + BOX_H / 2:.0f}"'
            lines.append(f'<line {ends} stroke="#8a8a8a"/>')
    for name, (x, y) in place.items():
        colour = next((c for word, c in COLOURS.items() if name.startswith(word)), "#dde8f4")
        lines += [
            f'<rect x="{x}" y="{y:.0f}" width="{BOX_W}" height="{BOX_H}" rx="4" fill="{colour}" stroke="#555"/>',
            f'<text x="{x + BOX_W / 2}" y="{y + 16:.0f}" text-anchor="middle" font-weight="bold">{name}</text>',
            f'<text x="{x + BOX_W / 2}" y="{y + 31:.0f}" text-anchor="middle">{_label(blocks[name])}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    out = Path(sys.argv[1])
    for name in STUDY_MODELS:
        (out / f"{name}.svg").write_text(draw(build_model(name)), encoding="utf-8")


if __name__ == "__main__":
    main()
