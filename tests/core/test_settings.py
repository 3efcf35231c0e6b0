"""Settings come from the environment, the command line wins, and children inherit them without the admin key."""

from pathlib import Path

import pytest

from argosy.core import Settings


def test_the_default_is_loopback_and_sqlite_in_the_home():
    settings = Settings.read({"ARGOSY_HOME": "/tmp/a"})
    assert settings.host == "127.0.0.1"
    assert settings.database_url == "sqlite:////tmp/a/argosy.sqlite"


def test_the_command_line_wins_over_the_environment():
    settings = Settings.read({"ARGOSY_HOME": "/tmp/a", "ARGOSY_PORT": "1"}, home=Path("/tmp/b"), port=2)
    assert (settings.home, settings.port) == (Path("/tmp/b"), 2)


def test_a_port_that_is_no_number_is_named_in_the_error():
    with pytest.raises(ValueError, match=r"ARGOSY_PORT.*'http'"):
        Settings.read({"ARGOSY_PORT": "http"})


def test_a_child_gets_the_same_settings_but_never_the_admin_key():
    settings = Settings.read({"ARGOSY_HOME": "/tmp/a", "ARGOSY_ADMIN_KEY": "sk-secret"})
    child = Settings.read(settings.environment())
    assert child.home == settings.home
    assert child.admin_key is None
