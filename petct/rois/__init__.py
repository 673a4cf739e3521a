"""Readers' regions of interest, from whatever file they come in, as masks on the PET grid."""

from petct.rois.files import RoiTarget, read_rois
from petct.rois.roi import Roi

__all__ = ["Roi", "RoiTarget", "read_rois"]
