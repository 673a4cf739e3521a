"""The commands of `tmtv`, one file each. `tmtv_tf.cli` puts them together."""
