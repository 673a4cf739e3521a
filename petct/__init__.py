"""The ground: PET/CT images, DICOM and SUV, readers' ROIs, files and processes. Knows nothing of the other packages."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exam": ["Exam", "read_exam"],
        "image": ["Geometry", "Image", "read_image", "write_image"],
        "rois": ["Roi", "RoiTarget", "read_rois"],
    },
)
