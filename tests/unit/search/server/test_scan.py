"""Indexing in the background."""

import os
import signal
import sys
import time
from pathlib import Path

from fastapi.testclient import TestClient

from scripts.search.server.scan import Scan, count
from tests.unit.search.server.conftest import client_of, wait_for


def scan(place: Path, code: str) -> Scan:
    command = (sys.executable, "-c", code)
    return Scan(command, place / "logs" / "scan.log", stage_work_dir=place / "work", ledger_dir=place / "ledger")


def ended(made: Scan, seconds: float = 20) -> dict[str, object]:
    end = time.monotonic() + seconds
    while made.status()["running"]:
        assert time.monotonic() < end
        time.sleep(0.01)
    return made.status()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_one_runs_at_a_time_and_its_end_is_told(tmp_path: Path) -> None:
    made = scan(tmp_path, "import time; print('busy', flush=True); time.sleep(0.5)")
    assert made.start()
    assert not made.start()
    assert made.status()["running"]
    told = ended(made)
    assert (told["last_exit"], told["message"]) == (0, "")
    assert made.start()
    ended(made)


def test_a_failure_is_told_by_its_last_error(tmp_path: Path) -> None:
    made = scan(tmp_path, "import sys; print('ok'); print('Error: no folder /x'); print('bye'); sys.exit(3)")
    made.start()
    told = ended(made)
    assert told["last_exit"] == 3
    assert "Error: no folder /x" in str(told["message"])
    assert "scan.log" in str(told["message"])


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    made = Scan(("/nothing",), tmp_path / "log", stage_work_dir=tmp_path, ledger_dir=tmp_path)
    made.start()
    assert "cannot start" in str(ended(made)["message"])


def test_it_and_its_children_end_with_the_server(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os, subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}'); time.sleep(60)"
    )
    made = scan(tmp_path, code)
    made.start()
    while not pids.exists() or not pids.read_text():
        time.sleep(0.01)
    time.sleep(0.05)
    parent, child = map(int, pids.read_text().split())
    assert os.getpgid(child) == os.getpgid(parent) != os.getpgid(0)
    made.close()
    assert not alive(parent)
    end = time.monotonic() + 5
    while alive(child) and time.monotonic() < end:
        time.sleep(0.01)
    assert not alive(child)


def test_one_that_will_not_hear_is_killed(tmp_path: Path, monkeypatch: object) -> None:
    ready = tmp_path / "ready"
    made = scan(
        tmp_path,
        f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);open({str(ready)!r}, 'w'); time.sleep(60)",
    )
    monkeypatch.setattr("scripts.search.server.scan._ENDS_WITHIN_S", 0.2)  # type: ignore[attr-defined]
    made.start()
    while not ready.exists():
        time.sleep(0.01)
    made.close()
    assert not made.status()["running"]
    assert made.status()["last_exit"] == -signal.SIGKILL


def test_without_plans_nothing_is_counted(tmp_path: Path) -> None:
    assert count(tmp_path / "none", tmp_path / "none") == (0, 0)


def test_the_api_begins_one_and_tells_of_it(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import time; time.sleep(0.3)")
    with client_of(tmp_path, scan_command=command) as client:
        wait_for(client, "empty")
        assert_scan(client)


def assert_scan(client: TestClient) -> None:
    began = client.post("/api/scan")
    assert (began.status_code, began.json()["scan"]["running"]) == (202, True)
    again = client.post("/api/scan")
    assert (again.status_code, again.json()["error"]) == (409, "running")
    assert client.get("/api/scan").status_code == 405
    while client.get("/api/status").json()["scan"]["running"]:
        time.sleep(0.02)
    assert client.get("/api/status").json()["scan"]["last_exit"] == 0
