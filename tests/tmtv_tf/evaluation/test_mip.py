"""Truth: a hand-made patient, stored in other axis orders and looked at from the front."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Picture

from petct.image import Geometry, Image
from tmtv_tf.evaluation.mip import coronal_mip_png, coronal_projection, lesion_places, with_palette

GEOMETRY = Geometry((5, 4, 3), (3.0, 2.0, 1.0))


def test_rows_run_from_the_feet_and_columns_from_the_patients_right():
    array = np.zeros(GEOMETRY.shape)
    array[4, 1, 0] = 7  # highest slice (head), lowest x (the patient's right in LPS)
    projection, spacing_mm = coronal_projection(array, GEOMETRY)
    assert projection.shape == (5, 3)
    assert spacing_mm == (3.0, 1.0)
    assert projection[4, 0] == 7


def test_a_volume_stored_the_other_way_gives_the_same_picture():
    array = np.random.default_rng(0).random(GEOMETRY.shape)
    expected, _ = coronal_projection(array, GEOMETRY)
    flipped = Geometry((5, 4, 3), (3.0, 2.0, 1.0), direction=(-1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0))
    np.testing.assert_array_equal(coronal_projection(array[::-1, :, ::-1], flipped)[0], expected)


def test_a_coronal_volume_gives_the_same_picture():
    """Array axes Y, Z, X: columns of the direction matrix are the world directions of array X, Y, Z."""
    array = np.random.default_rng(0).random(GEOMETRY.shape)
    expected, spacing_mm = coronal_projection(array, GEOMETRY)
    coronal = Geometry((4, 5, 3), (2.0, 3.0, 1.0), direction=(1.0, 0, 0, 0, 0, 1.0, 0, 1.0, 0))
    projection, spacing_of_coronal = coronal_projection(array.transpose(1, 0, 2), coronal)
    np.testing.assert_array_equal(projection, expected)
    assert spacing_of_coronal == spacing_mm


def test_the_palette_gives_no_grey_a_tint():
    """Every grey beside the two colours of the outlines; a step of the palette is 255 / 159."""
    rgb = np.repeat(np.tile(np.linspace(0, 255, 300), (40, 1))[..., None], 3, axis=-1).astype(np.uint8)
    rgb[10:12], rgb[20:22] = (0x0A, 0x7F, 0xCC), (0xFF, 0x6A, 0x00)
    shown = np.asarray(with_palette(rgb).convert("RGB")).astype(int)
    assert np.ptp(shown[30:], axis=-1).max() == 0
    assert np.abs(shown - rgb).max() <= 1
    assert np.asarray(with_palette(np.full((4, 5, 3), 255, np.uint8)).convert("RGB")).min() == 255


def test_outlines_are_drawn_in_both_colours():
    geometry = Geometry((60, 30, 40), (10.0, 10.0, 10.0))
    suv = np.full(geometry.shape, 1.0, np.float32)
    reference, prediction = np.zeros(geometry.shape, bool), np.zeros(geometry.shape, bool)
    reference[10:20, 5:9, 5:15] = True
    prediction[35:45, 5:9, 20:30] = True
    data = coronal_mip_png(Image(suv, geometry), reference, prediction)
    pixels = np.asarray(Picture.open(io.BytesIO(data)).convert("RGB")).astype(int)
    blue = np.argwhere(pixels[..., 2] - pixels[..., 0] > 100)
    orange = np.argwhere(pixels[..., 0] - pixels[..., 2] > 100)
    assert blue[:, 0].min() > pixels.shape[0] / 2  # the reference lies low (feet), so in the lower half
    assert orange[:, 0].max() < pixels.shape[0] / 2
    assert blue[:, 1].max() < orange[:, 1].min()


def test_an_empty_image_still_gives_a_picture():
    """Of one grey where the body would be, without an outline, and as large as that of a patient."""
    no_lesion = np.zeros(GEOMETRY.shape, bool)
    pictures = []
    for suv in (0, 5):
        data = coronal_mip_png(
            Image(np.full(GEOMETRY.shape, suv, np.float32), GEOMETRY), no_lesion, no_lesion
        )
        pictures.append(np.asarray(Picture.open(io.BytesIO(data)).convert("RGB")))
    empty, full = pictures
    assert empty.shape == full.shape
    assert np.ptp(empty, axis=2).max() == 0  # no colour: nothing is outlined
    assert (empty < full).sum() == 0 < (full < empty).sum()  # uptake is dark


def test_a_lesion_is_numbered_where_it_is_however_the_array_is_stored():
    """Label 2 at row 4 (of the feet) and column 0 (the right); label 1 excluded; so too from other axis orders."""
    labels = np.zeros(GEOMETRY.shape, np.uint16)
    labels[4, 1:3, 0] = 2
    assert lesion_places(labels, GEOMETRY) == {2: (4.0, 0.0)}
    flipped = Geometry((5, 4, 3), (3.0, 2.0, 1.0), direction=(-1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0))
    assert lesion_places(labels[::-1, :, ::-1], flipped) == {2: (4.0, 0.0)}
    coronal = Geometry((4, 5, 3), (2.0, 3.0, 1.0), direction=(1.0, 0, 0, 0, 0, 1.0, 0, 1.0, 0))
    assert lesion_places(labels.transpose(1, 0, 2), coronal) == {2: (4.0, 0.0)}
    assert lesion_places(np.zeros_like(labels), GEOMETRY) == {}
    assert lesion_places(None, GEOMETRY) == {}


def test_the_picture_carries_scale_sides_case_and_numbers(monkeypatch):
    """What is written into the figure, read from the figure itself."""
    from matplotlib.figure import Figure

    import tmtv_tf.evaluation.mip as module

    figures: list[Figure] = []
    monkeypatch.setattr(module, "png", lambda figure: figures.append(figure) or b"")
    geometry = Geometry((60, 30, 40), (10.0, 10.0, 10.0))
    suv = np.full(geometry.shape, 1.0, np.float32)
    labels = np.zeros(geometry.shape, np.uint16)
    labels[10:20, 5:9, 5:15], labels[40:42, 5:9, 30:32], labels[41, 5, 32] = 1, 2, 3
    coronal_mip_png(Image(suv, geometry), labels > 0, labels > 0, labels, "P$1_a$")
    body, scale = figures[0].axes
    assert {text.get_text(): text.get_position() for text in body.texts if text.get_text() in "RL"} == {
        "R": (0.03, 0.99),
        "L": (0.97, 0.99),
    }
    numbers = {text.get_text(): text.xy for text in body.texts if text.get_text().isdigit()}
    assert numbers == {"1": (100.0, 150.0), "2": (310.0, 410.0)}  # no room for 3
    assert [text.get_text() for text in scale.get_xticklabels()] == ["SUV 0", "10 and more"]
    assert [text.get_text() for text in figures[0].texts] == ["P$1_a$"]


def test_a_narrow_body_stands_in_the_middle_of_its_picture():
    """A leg is narrower than the SUV scale and the case id; what is left over is shared by both sides."""
    geometry = Geometry((30, 10, 10), (10.0, 10.0, 10.0))
    nothing = np.zeros(geometry.shape, bool)
    data = coronal_mip_png(Image(np.full(geometry.shape, 10.0, np.float32), geometry), nothing, nothing)
    black = np.asarray(Picture.open(io.BytesIO(data)).convert("L"))[150] < 100
    columns = np.flatnonzero(black)
    assert abs(columns[0] - (black.size - 1 - columns[-1])) <= 2
