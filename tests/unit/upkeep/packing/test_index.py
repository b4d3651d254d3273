"""The index of a dataset's tars."""

import json
from pathlib import Path

import pytest

from scripts.shared.errors import JobError
from scripts.shared.fingerprints import digest_file
from scripts.upkeep.packing.index import write_pack_index
from tests.toy_system import Toy
from tests.unit.upkeep.packing.toy_packing import pack, packed


def test_the_index_lists_every_tar_with_its_samples_size_and_digest(made_toy: Toy) -> None:
    pack(made_toy)
    index = json.loads((packed(made_toy) / "index.json").read_text())
    tars = sorted(packed(made_toy).glob("*.tar"))
    assert (index["__kind__"], index["wids_version"], index["name"]) == ("wids-shard-index-v1", 1, "toys")
    assert (index["samples"], index["bytes"]) == (4, sum(tar.stat().st_size for tar in tars))
    assert index["shardlist"] == [
        {"url": tar.name, "nsamples": 2, "filesize": tar.stat().st_size, "blake2b": digest_file(tar)} for tar in tars
    ]


def test_a_receipt_that_cannot_be_used_is_named_and_the_index_stays(made_toy: Toy, tmp_path: Path) -> None:
    pack(made_toy)
    before = (packed(made_toy) / "index.json").read_bytes()
    receipt = tmp_path / "00000.json"
    receipt.write_text('{"tars": 3')
    with pytest.raises(JobError, match=r"00000.json: not a receipt that can be used .*; delete it, run again"):
        write_pack_index(packed(made_toy) / "index.json", [receipt], dataset="toys")
    assert (packed(made_toy) / "index.json").read_bytes() == before
