"""Serve the search of a dataset: `python -m scripts.search.server --dataset demo`.

The page is at http://127.0.0.1:5000. It is for this machine alone unless --host names another address; then a password
is asked for, which the environment variable POLYMILL_SEARCH_PASSWORD names.
"""

import argparse
import ipaddress
import logging
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.search import places
from scripts.shared import layout
from scripts.shared.config import SHIPPED_CONFIG, read_config
from scripts.shared.errors import ConfigError, PolymillError

_PASSWORD = "POLYMILL_SEARCH_PASSWORD"  # noqa: S105 - its name


def arguments() -> argparse.ArgumentParser:
    """What may be said on the command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.search.server", description=__doc__)
    parser.add_argument("--dataset", default="demo", help="name in search.datasets (demo)")
    parser.add_argument("--configfile", type=Path, default=SHIPPED_CONFIG, help="instead of config/config.yaml")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine alone)")
    parser.add_argument("--port", type=int, default=5000, help="(5000)")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name that browsers may ask the server by"
    )
    parser.add_argument("--cores", default="all", help="of an indexing begun from the page (all)")
    parser.add_argument(
        "--without-login", action="store_true", help=f"listen on other addresses although {_PASSWORD} is not set"
    )
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Serve until a signal comes; the exit status."""
    given = arguments().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        return serve(given)
    except PolymillError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command's own words
        return error.exit_status


def serve(given: argparse.Namespace) -> int:
    """Serve what the command line says.

    Raises:
        PolymillError: it cannot be served; names the mend.
    """
    environment = scan_environment(os.environ)
    # One thread: a query takes the memory's bandwidth, not a core's arithmetic; and many small products made by two
    # threads, each waiting for the other, took twenty times as long on a busy machine. NumPy reads it when it loads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import uvicorn

    from scripts.search.server.app import create_app
    from scripts.search.server.guard import options
    from scripts.search.server.settings import Settings

    config = read_config(given.configfile)
    if given.dataset not in config["search"]["datasets"]:
        known = ", ".join(config["search"]["datasets"]) or "none"
        raise ConfigError(f"{given.configfile}: search.datasets has no {given.dataset!r}; there are: {known}")
    password = os.environ.pop(_PASSWORD, None)  # not for the programs that are started from here
    refuse_open_door(given.host, password, without_login=given.without_login)
    settings = Settings(
        dataset=given.dataset,
        config=config,
        hosts=(given.host, *given.allow_host),
        password=password,
        port=given.port,
        scan_environment=environment,
        **own_places(config, given.dataset, given.configfile, given.cores),
    )
    app = create_app(settings)
    host = f"[{given.host}]" if ":" in given.host else given.host
    logging.getLogger(__name__).info("the page of %s: http://%s:%d", given.dataset, host, given.port)
    uvicorn.run(app, host=given.host, port=given.port, log_level="warning", access_log=False, **options())
    return 0


def refuse_open_door(host: str, password: str | None, *, without_login: bool) -> None:
    """Listen to others with a password only, unless told so.

    Raises:
        ConfigError: there is none, or an empty one.
    """
    if password is not None and not password.strip():
        raise ConfigError(f"{_PASSWORD} is set and empty: give it a password, or unset it")
    if password is None and not without_login and not _is_loopback(host):
        raise ConfigError(
            f"--host {host}: others could see all that is indexed. Set {_PASSWORD} in the environment, "
            "or say --without-login"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def own_places(config: Mapping[str, Any], dataset: str, configfile: Path, cores: str) -> dict[str, Any]:
    """Where the dataset's files lie, and what makes its index."""
    database = places.database_file(config, dataset)
    named = [] if configfile.resolve() == SHIPPED_CONFIG.resolve() else ["--configfile", str(configfile)]
    profile = ["--profile", "local_cpu"]
    summary = str(places.dataset_folder(config, dataset) / places.SUMMARY)
    work = Path(config["work_dir"], "search", dataset)
    return {
        "database": database,
        "user_database": places.user_database_file(config, dataset),
        "kept": work / "page",
        # This dataset alone: the rule that writes its summary puts the index in its place.
        "scan_command": (sys.executable, "-m", "snakemake", *profile, "--cores", cores, *named, "--", summary),
        "how_to_index": shlex.join(["snakemake", *profile, "search_index", *named]),
        "scan_log": Path("logs", "search_scan", f"{dataset}.log"),
        "stage_work_dir": work / places.VECTORS,
        "ledger_dir": layout.ledger_dir(places.dataset_folder(config, dataset), places.VECTORS),
    }


def scan_environment(own: Mapping[str, str]) -> dict[str, str]:
    """The environment of an indexing: jobs start `python` from PATH, and have no use for the page's password."""
    programs = str(Path(sys.executable).parent)
    kept = {name: value for name, value in own.items() if name != _PASSWORD}
    return kept | {"PATH": f"{programs}{os.pathsep}{own.get('PATH', os.defpath)}"}


if __name__ == "__main__":
    sys.exit(main())
