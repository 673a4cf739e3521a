"""TensorFlow's start-up chatter, kept off a user's terminal. Call before TensorFlow is first imported."""

import os


def quiet_tensorflow() -> None:
    """Errors only, unless the user asked for more (TF_CPP_MIN_LOG_LEVEL)."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
