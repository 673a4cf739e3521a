"""Whether a value is a number within limits. Loads nothing: the command lines check their options with it."""


def between(value: object, low: float, high: float) -> bool:
    """Whether a value is a number from `low` to `high`."""
    try:
        return bool(low <= value <= high)  # type: ignore[operator]
    except (TypeError, ValueError):
        return False
