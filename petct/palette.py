"""One colour a lesion, the same in every file, page and picture."""

from __future__ import annotations

# Okabe and Ito's colours without black and grey: told apart with the common forms of colour blindness
# (Okabe M, Ito K, Color Universal Design, 2008; Wong B, Nature Methods 2011;8:441).
LESION_COLORS: tuple[tuple[int, int, int], ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


def lesion_color(label: int) -> tuple[int, int, int]:
    """Red, green, blue (0 to 255) of lesion `label` (from 1); colours repeat after seven."""
    return LESION_COLORS[(label - 1) % len(LESION_COLORS)]
