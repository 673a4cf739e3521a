"""The ground: PET/CT images, DICOM and SUV, readers' ROIs, files and processes. Knows nothing of the other packages."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exam": ["Exam", "read_exam"],
        "export": ["Provenance", "SourceSeries", "write_pdf", "write_rtstruct", "write_seg", "write_sr"],
        "image": ["Geometry", "Image", "read_image", "resample", "write_image"],
        "rois": ["Roi", "RoiTarget", "read_rois"],
        "suv": ["Overrides", "PetHeader", "SuvFactor", "decay_factor", "suv_bw_factor"],
    },
)
