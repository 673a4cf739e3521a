"""The networks' input: model grid, augmentation, tf.data. Imports nothing by itself."""
