"""Keras `model.fit` scripts for the two papers. The only package, with `tmtv_tf.data`, that imports TensorFlow."""
