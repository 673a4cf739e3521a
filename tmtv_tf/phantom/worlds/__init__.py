"""Worlds of synthetic PET/CT that differ by rule, for training networks that must work on images unlike them.

`anatomy` says what a body is here; `segmented` makes one from label maps of a real adult, `primitives` draws one at
random; `posture`, `uptake`, `lesions` and `scan` make an image of it; `sample` puts them together and `pool` keeps
many. `score` measures a prediction, and `real` puts lesions into real images, for tests only.
"""
