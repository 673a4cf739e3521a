"""Synthetic whole-body FDG PET/CT of lymphoma patients, written as DICOM."""
