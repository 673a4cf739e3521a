"""What is written in the figures of the report lies where no case can be."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tmtv_tf.evaluation import figures


def test_the_limits_of_agreement_are_named_beside_the_panel(monkeypatch) -> None:
    """The case of the largest mean lies on the lower limit, at the right end of the panel."""
    drawn: list[Figure] = []
    monkeypatch.setattr(figures, "png", lambda figure: drawn.append(figure) or b"")
    manual = np.array([100.0, 200, 300, 400, 900])
    rows = pd.DataFrame(
        {"method": "41", "tmtv_manual_ml": manual, "tmtv_predicted_ml": manual - [0, 5, -5, 0, 60]}
    )
    figures.bland_altman_plots(rows)
    drawn[0].canvas.draw()
    axes = drawn[0].axes[0]
    names = [text.get_text().split("\n")[0] for text in axes.texts]
    assert names == ["bias", "−1.96 SD", "+1.96 SD"]
    edges = [text.get_window_extent() for text in axes.texts]
    assert all(edge.x0 > axes.get_window_extent().x1 for edge in edges)
    assert all(edge.x1 <= drawn[0].bbox.x1 for edge in edges)
