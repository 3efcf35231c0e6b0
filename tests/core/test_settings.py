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


def test_the_settings_of_batches_reach_the_worker_and_odd_ones_are_named():
    given = {"ARGOSY_HOME": "/tmp/a", "ARGOSY_BATCH_CONCURRENCY": "3", "ARGOSY_BATCH_DISCOUNT": "0"}
    child = Settings.read(Settings.read(given).environment())
    assert (child.batch_concurrency, child.batch_discount, child.api_url) == (3, 0, None)
    for name, text in {"ARGOSY_BATCH_DISCOUNT": "101", "ARGOSY_BATCH_CONCURRENCY": "0"}.items():
        with pytest.raises(ValueError, match=f"{name}.*'{text}'"):
            Settings.read({name: text})


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({"ARGOSY_PORT": "81"}, "http://127.0.0.1:81"),
        ({"ARGOSY_HOST": "0.0.0.0"}, "http://127.0.0.1:8080"),
        ({"ARGOSY_HOST": "::"}, "http://[::1]:8080"),
        ({"ARGOSY_HOST": "10.0.0.7"}, "http://10.0.0.7:8080"),
        ({"ARGOSY_API_URL": "https://api.internal/v1/"}, "https://api.internal"),
    ],
)
def test_the_worker_finds_the_api_where_it_listens(environment, address):
    assert Settings.read(environment).api_address == address
