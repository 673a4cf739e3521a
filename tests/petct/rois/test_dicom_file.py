"""Files of ROIs that are not whole, or none."""

import pytest
from roi_files import write_rtstruct
from roi_series import GEOMETRY, contour

from petct.errors import RoiError
from petct.rois.rtstruct import read_rtstruct


@pytest.mark.parametrize("cut", [10, 60, 100, 200, 400, 700])
def test_a_file_cut_short_is_refused(tmp_path, pet, cut):
    """pydicom itself gives back fewer contours, or shorter ones, without a word."""
    box = ((0.5, 0.5), (2.5, 2.5))
    path = write_rtstruct(tmp_path / "rs.dcm", pet, {"a": [contour(z, *box) for z in (1, 2, 3)]})
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(RoiError, match=r"rs\.dcm: (the file is cut short|not readable)"):
        read_rtstruct(path, GEOMETRY, frame_of_reference_uid=pet.FrameOfReferenceUID)


def test_not_an_rtstruct(tmp_path, pet):
    path = tmp_path / "text.dcm"
    path.write_text("hello")
    with pytest.raises(RoiError, match="not readable as DICOM"):
        read_rtstruct(path, GEOMETRY, frame_of_reference_uid="1")
