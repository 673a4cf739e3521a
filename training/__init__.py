"""Keras `model.fit` scripts for the two papers. The only package, with `tmtv_tf.input`, that imports TensorFlow."""
