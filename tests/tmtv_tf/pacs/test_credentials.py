"""Names and passwords."""

from __future__ import annotations

from pathlib import Path

import pytest

from petct.errors import ParameterError
from tmtv_tf.pacs.credentials import Credentials, find_credentials

pytestmark = pytest.mark.usefixtures("no_credentials")


def test_credentials_come_from_the_environment_or_netrc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert find_credentials("pacs") == Credentials()
    (tmp_path / ".netrc").write_text("machine pacs login me password sesame\n")
    (tmp_path / ".netrc").chmod(0o600)
    found = find_credentials("pacs")
    assert (found.user, found.password) == ("me", "sesame")
    assert find_credentials("other") == Credentials()
    assert "sesame" not in repr(found)
    monkeypatch.setenv("TMTV_PACS_USER", "you")
    with pytest.raises(ParameterError, match="both"):
        find_credentials("pacs")
    monkeypatch.setenv("TMTV_PACS_PASSWORD", "open")
    assert find_credentials("pacs").password == "open"
    monkeypatch.setenv("TMTV_PACS_TOKEN", "abc")
    assert (find_credentials("pacs").token, find_credentials("pacs").password) == ("abc", None)
    assert "abc" not in repr(find_credentials("pacs"))


def test_bad_files_of_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="ca_file"):
        find_credentials("pacs", ca_file=tmp_path / "none.pem")
    bad = tmp_path / "netrc"
    bad.write_text("machine pacs login me sesame\n")
    monkeypatch.setenv("NETRC", str(bad))
    with pytest.raises(ParameterError, match="netrc") as caught:
        find_credentials("pacs")
    assert "sesame" not in str(caught.value)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    with pytest.raises(ParameterError, match="netrc"):
        find_credentials("pacs")
