"""Pictures of features and lesions."""

import numpy as np

from tmtv_tf.evaluation.prognosis import study_views
from tmtv_tf.evaluation.prognosis.study_views import FeatureView, feature_figure, rendering_figure

PNG = b"\x89PNG"


def test_features_are_shown_as_projections_front_and_side(drawn):
    image = np.random.default_rng(0).random((16, 8, 8))
    view = FeatureView("case", image, [image, image[::2, ::2, ::2]], image, None, (2.0, 3.0, 4.0))
    assert feature_figure([view, view]).startswith(PNG)
    panels = [axes for axes in drawn[0].axes if axes.images]
    titles = [axes.get_title() for axes in panels if axes.get_title()]
    assert titles == ["PET", "features 1/1", "1/2", "probability"] * 2
    np.testing.assert_array_equal(panels[0].images[0].get_array(), image.max(axis=1))
    sides = [axes for axes in panels if not axes.get_title()]
    np.testing.assert_array_equal(sides[0].images[0].get_array(), image.max(axis=2))
    assert panels[0].images[0].get_extent() == [0, 32, 0, 32]
    assert sides[0].images[0].get_extent() == [0, 24, 0, 32]


def test_lesions_are_rendered_where_they_are(drawn):
    """A box of voxels (2, 3, 4) mm wide; a model that found nothing has no surface; one without result no panel."""
    mask = np.zeros((16, 8, 8), bool)
    mask[4:8, 2:4, 1:6] = True
    masks = {"truth": mask, "none found": np.zeros_like(mask), "missing": None}
    assert rendering_figure(
        [("case", masks)], [np.pad(mask, 0) | (np.indices(mask.shape)[2] < 7)], (2.0, 3.0, 4.0)
    ).startswith(PNG)
    surfaces = [
        [c for c in axes.collections if type(c).__name__ == "Poly3DCollection"] for axes in drawn[0].axes
    ]
    assert [len(found) for found in surfaces] == [1, 0, 0]
    vertices, _ = study_views._surface(mask, (2.0, 3.0, 4.0))
    np.testing.assert_allclose([vertices.min(axis=0), vertices.max(axis=0)], [(8, 6, 4), (16, 12, 24)])
