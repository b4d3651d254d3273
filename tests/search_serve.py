"""Serve a made folder with the toy model, as a process of its own: `python -m tests.search_serve FOLDER PORT`."""

import logging
import os
import sys
from pathlib import Path

import uvicorn

from scripts.search.server.app import create_app
from scripts.search.server.guard import options
from tests.search_colours import ColourEncoder, settings

if __name__ == "__main__":
    place, port = Path(sys.argv[1]), int(sys.argv[2])
    logging.basicConfig(level=logging.INFO)
    password = os.environ.pop("POLYMILL_SEARCH_PASSWORD", None)
    scan = tuple(sys.argv[3:]) or ("true",)
    app = create_app(settings(place, port=port, password=password, scan_command=scan), ColourEncoder)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, **options())
