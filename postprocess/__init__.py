"""Probability map + SUV image -> lesions and TMTV. Imports neither `tmtv_tf` nor `training`, and never TensorFlow."""
