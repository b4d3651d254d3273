"""What an earlier stage made of a sample, as a source."""

from typing import Any

import pytest

from scripts.shared.fingerprints import UNSEEN
from scripts.shared.planning.upstream import failure, fingerprint

OK = {"status": "ok", "files": {"poses/a.npy": [264, "d1"], "poses/a.json": [1000, "d2"]}}
FAILED = {"status": "failed", "error": "timeout", "message": "took too long"}
UNMADE: list[dict[str, Any] | None] = [None, {"status": "making"}, {"status": "making", "files": ["poses/a.npy"]}]


def test_the_fingerprint_is_the_size_of_all_files_and_sixty_bits_of_their_digests() -> None:
    size, digest = fingerprint(OK)
    assert size == 1264
    assert 0 < digest < 2**60
    assert fingerprint({**OK, "files": dict(reversed(OK["files"].items()))}) == (size, digest)  # type: ignore[attr-defined]


@pytest.mark.parametrize("files", [{"poses/a.npy": [264, "d1"]}, {**OK["files"], "poses/a.json": [1000, "d3"]}])  # type: ignore[dict-item]
def test_another_file_is_another_fingerprint(files: dict[str, Any]) -> None:
    assert fingerprint({**OK, "files": files}) != fingerprint(OK)


@pytest.mark.parametrize("other", [{"plan": "p2"}, {"source": [1, 2]}, {"settings": "s2"}, {"facts": {"n": 1}}])
def test_what_changes_no_byte_changes_no_fingerprint(other: dict[str, Any]) -> None:
    assert fingerprint({**OK, **other}) == fingerprint(OK)


def test_another_failure_is_another_fingerprint_and_none_is_that_of_files() -> None:
    found = {
        fingerprint(FAILED),
        fingerprint({**FAILED, "message": "took longer"}),
        fingerprint({**FAILED, "error": "no_memory"}),
        fingerprint(OK),
    }
    assert len(found) == 4
    assert UNSEEN not in found


@pytest.mark.parametrize("row", UNMADE)
def test_what_is_not_made_is_unseen_and_no_later_sample_can_be_made(row: dict[str, Any] | None) -> None:
    assert fingerprint(row) == UNSEEN
    assert str(failure("text", row)) == "upstream: text: has not made it yet; the next run tries again"


def test_a_failure_is_passed_on_with_the_stage_where_it_began() -> None:
    assert failure("text", OK) is None
    passed_on = failure("text", FAILED)
    assert str(passed_on) == "upstream: text: timeout: took too long"
    assert passed_on is not None
    row = {"status": "failed", "error": passed_on.error, "message": passed_on.message}
    assert str(failure("generate", row)) == "upstream: text: timeout: took too long"
