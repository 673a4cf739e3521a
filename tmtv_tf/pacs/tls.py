"""TLS where others call us: our certificate, whose certificates we accept, and a handshake that blocks nobody else."""

from __future__ import annotations

import logging
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import SHUT_RDWR

from pynetdicom.transport import AssociationSocket

from petct.errors import ParameterError

log = logging.getLogger(__name__)

HANDSHAKE_S = 15.0


@dataclass(frozen=True)
class ServerTls:
    """What a caller is shown, and what it must show. Files in PEM form.

    Attributes
    ----------
    certificate : ours, followed by those between it and the authority
    key : its key, without a password; None: it is in the file of the certificate
    callers_ca : a caller must show a certificate that one of these signed; None: callers need none
    """

    certificate: Path
    key: Path | None = None
    callers_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or 1.3 (DICOM PS3.15 B.12, after BCP 195).

        Raises
        ------
        ParameterError
            A file is not there, or does not hold what it should.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        key = self.key or self.certificate
        try:
            context.load_cert_chain(self.certificate, key, password=_no_password)
        except OSError as error:  # SSLError is one
            files = dict.fromkeys((str(self.certificate), str(key)))
            raise ParameterError(
                f"{' and '.join(files)}: no certificate with its key in PEM form ({_reason(error)})."
            ) from error
        if self.callers_ca is not None:
            try:
                context.load_verify_locations(self.callers_ca)
            except OSError as error:
                raise ParameterError(
                    f"{self.callers_ca}: no certificates in PEM form ({_reason(error)})."
                ) from error
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def shake_hands(connection: AssociationSocket, context: ssl.SSLContext, caller: str) -> bool:
    """Go over to TLS, in the connection's own thread: a caller that says nothing keeps only itself waiting.

    Returns
    -------
    bool
        Whether it did; else the log says why not, and the connection has to be closed.
    """
    plain = connection.socket
    if plain is None:
        return False
    plain.settimeout(HANDSHAKE_S)
    try:
        connection.socket = context.wrap_socket(plain, server_side=True)
    except (OSError, ValueError) as error:  # ValueError: cut before the first byte
        log.warning("%s: cut off, no TLS (%s).", caller, _reason(error))
        with suppress(OSError):
            plain.shutdown(SHUT_RDWR)
        return False
    return True


def _no_password() -> str:
    """A service has nobody to ask at a terminal."""
    raise ParameterError("The key of the certificate has a password; give it without one (openssl pkey).")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not in this form").lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error) or "silent"
