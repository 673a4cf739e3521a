"""The errors of this package: one sentence each, naming the file and the value that is wrong."""


class PostprocessError(ValueError):
    """Base of every refusal. Command lines print its text and nothing else, and leave with `exit_status`."""

    exit_status = 2


class ImageError(PostprocessError):
    """An image file that cannot be read, or whose geometry or values cannot be trusted."""


class ParameterError(PostprocessError):
    """A parameter outside its range, or parameters that contradict each other."""
