"""DICOM in: which series a tree of files holds, which PET and CT to use, and their voxels."""
