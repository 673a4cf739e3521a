"""Who we are to an archive: from the environment or a netrc file, never from the command line."""

from __future__ import annotations

import netrc
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from petct.errors import ParameterError

TOKEN, USER, PASSWORD = "TMTV_PACS_TOKEN", "TMTV_PACS_USER", "TMTV_PACS_PASSWORD"


@dataclass(frozen=True)
class Credentials:
    """Secrets are never shown: not in a message, not in `repr`.

    Attributes
    ----------
    token : bearer token of DICOMweb; else `user` and `password` (basic authentication)
    ca_file : certificates (PEM) that the archive's must be signed by; None: those of this computer
    client_cert : certificate and key (one PEM file) by which the archive knows us
    """

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    client_cert: Path | None = None

    @property
    def secret(self) -> bool:
        """Whether something would be sent that must not be read on the way."""
        return self.token is not None or self.password is not None


def find_credentials(
    host: str, *, ca_file: Path | None = None, client_cert: Path | None = None
) -> Credentials:
    """Those for a host: TMTV_PACS_TOKEN; TMTV_PACS_USER and TMTV_PACS_PASSWORD; else the netrc file's.

    The netrc file is the one that NETRC names, else `~/.netrc`.

    Raises
    ------
    ParameterError
        Half a pair, a netrc file that cannot be read, a certificate file that is not there.
    """
    for flag, path in (("ca_file", ca_file), ("client_cert", client_cert)):
        if path is not None and not path.is_file():
            raise ParameterError(f"`{flag}`: {path} is not a file.")
    tls_context(ca_file, client_cert)
    token, user, password = (os.environ.get(name) or None for name in (TOKEN, USER, PASSWORD))
    if token is not None:
        return Credentials(token=token, ca_file=ca_file, client_cert=client_cert)
    if (user is None) != (password is None):
        raise ParameterError(f"Set both {USER} and {PASSWORD}, or neither.")
    if user is None:
        user, password = _of_netrc(host)
    return Credentials(user, password, ca_file=ca_file, client_cert=client_cert)


def tls_context(ca_file: Path | None, client_cert: Path | None) -> ssl.SSLContext:
    """TLS by which the archive must prove who it is.

    Raises
    ------
    ParameterError
        A file does not hold what it should.
    """
    flag, path = "ca_file", ca_file
    try:
        context = ssl.create_default_context(cafile=ca_file)
        flag, path = "client_cert", client_cert
        if client_cert is not None:
            context.load_cert_chain(client_cert)
    except OSError as error:  # SSLError is one
        what = "certificates" if flag == "ca_file" else "a certificate and its key"
        raise ParameterError(f"`{flag}`: {path} does not hold {what} in PEM form.") from error
    return context


def _of_netrc(host: str) -> tuple[str | None, str | None]:
    named = os.environ.get("NETRC")
    path = Path(named) if named else Path.home() / ".netrc"
    if not named and not path.is_file():
        return None, None
    try:
        found = netrc.netrc(path).authenticators(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"line {getattr(error, 'lineno', '?')}"
        raise ParameterError(f"{path}: not readable as a netrc file ({why}).") from error
    return (None, None) if found is None else (found[0], found[2])
