"""Readers' regions of interest, from whatever file they come in, as masks on the PET grid."""

from tmtv_tf.data.rois.roi import Roi

__all__ = ["Roi"]
