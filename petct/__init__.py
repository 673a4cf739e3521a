"""The ground: PET/CT images, DICOM and SUV, readers' ROIs, files and processes. Knows nothing of the other packages."""
