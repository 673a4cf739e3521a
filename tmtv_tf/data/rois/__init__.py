"""Readers' regions of interest, from whatever file they come in, as masks on the PET grid."""

from tmtv_tf.data.rois.files import RoiTarget, read_rois
from tmtv_tf.data.rois.roi import Roi

__all__ = ["Roi", "RoiTarget", "read_rois"]
