"""Where lesions lie."""

import numpy as np

from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM, Anatomy
from tmtv_tf.phantom.worlds.lesions import draw_seeds


def test_three_patients_of_ten_have_a_mass_in_soft_tissue_far_from_all_nodes():
    from tmtv_tf.phantom.worlds.tissues import Tissue as T

    labels = np.full((60, 30, 30), T.LIVER, np.uint8)
    labels[:20] = T.FAT  # the limb: 0 to 80 mm
    node = np.array([[200.0, 60.0, 60.0]])
    anatomy = Anatomy(
        labels, labels.astype(np.float32), {"left neck": node}, (node[0],) * 2, node[0], (180, 110)
    )
    places = (np.indices(labels.shape) * VOXEL_MM).astype(np.float32)
    masses = [
        [s for s in draw_seeds(anatomy, labels, places, np.random.default_rng(k)) if s.bulky and not s.organ]
        for k in range(200)
    ]
    masses = [[s for s in found if s.voxel[0] < 25] for found in masses]
    assert 40 <= sum(bool(found) for found in masses) <= 75
    assert 50 < np.median([s.volume_ml for found in masses for s in found]) < 300
