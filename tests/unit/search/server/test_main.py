"""The command that serves."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.search import places
from scripts.search.server.__main__ import arguments, main, own_places, refuse_open_door, scan_environment
from scripts.search.stage import vectors_stage
from scripts.shared.config import SHIPPED_CONFIG, read_config
from scripts.shared.errors import ConfigError


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command sets for its process is not for those of other tests."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org"])  # noqa: S104
def test_others_are_let_in_by_password_only(host: str) -> None:
    with pytest.raises(ConfigError, match="POLYMILL_SEARCH_PASSWORD"):
        refuse_open_door(host, None, without_login=False)
    refuse_open_door(host, None, without_login=True)
    refuse_open_door(host, "secret", without_login=False)
    with pytest.raises(ConfigError, match="empty"):
        refuse_open_door(host, " ", without_login=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_none(host: str) -> None:
    refuse_open_door(host, None, without_login=False)


def test_the_defaults_are_this_machine_and_port_5000() -> None:
    given = arguments().parse_args([])
    assert (given.host, given.port, given.dataset, given.configfile) == ("127.0.0.1", 5000, "demo", SHIPPED_CONFIG)


def test_the_places_are_those_of_the_stage() -> None:
    config = read_config(SHIPPED_CONFIG)
    own: dict[str, Any] = own_places(config, "demo", SHIPPED_CONFIG, "all")
    stage = vectors_stage(config, "demo")
    assert own["stage_work_dir"] == stage.stage_work_dir
    assert own["ledger_dir"] == stage.ledger_dir
    assert own["database"] == places.database_file(config, "demo")
    assert own["how_to_index"] == "snakemake --profile local_cpu search_index"
    assert own["scan_command"][-1] == "results/search/demo/summary.json"
    other = own_places(config, "demo", Path("my config.yaml"), "2")
    assert other["how_to_index"].endswith("search_index --configfile 'my config.yaml'")
    assert other["scan_command"][-4:-2] == ("--configfile", "my config.yaml")


def test_the_password_is_asked_for_and_not_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.yaml"
    own = {"folders": {"a": str(tmp_path)}, "output_dir": str(tmp_path / "out")}
    config.write_text(yaml.safe_dump({"search": {"datasets": {"mine": own}}}))
    monkeypatch.setenv("POLYMILL_SEARCH_PASSWORD", "a secret")
    served: list[Any] = []
    monkeypatch.setattr("uvicorn.run", lambda app, **options: served.append((app, options)))
    assert main(["--dataset", "mine", "--configfile", str(config), "--host", "0.0.0.0", "--port", "81"]) == 0  # noqa: S104
    (app, options), parts = served[0], served[0][0].state.served
    assert (options["host"], options["port"], options["server_header"]) == ("0.0.0.0", 81, False)  # noqa: S104
    assert parts.login is not None
    assert parts.login.open("somebody", "a secret")
    assert "POLYMILL_SEARCH_PASSWORD" not in os.environ
    assert app.docs_url is None


def test_an_indexing_finds_our_python_first_and_no_password() -> None:
    made = scan_environment({"PATH": "/usr/bin", "POLYMILL_SEARCH_PASSWORD": "x", "LANG": "C"})
    assert made == {"PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/bin", "LANG": "C"}


def test_a_dataset_that_is_not_there_is_named_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", "nothing"]) == 1
    said = capsys.readouterr().err
    assert "nothing" in said
    assert "demo" in said
