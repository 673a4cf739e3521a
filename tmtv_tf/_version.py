"""The version of this installation."""

from petct.version import software

__version__ = software()["version"]
