from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from scripts.shared.safetensors_table import read_table


def test_a_table_says_where_each_tensor_lies(tmp_path: Path) -> None:
    path = tmp_path / "two.safetensors"
    save_file({"b": torch.arange(3.0), "a": torch.ones(2, 2)}, path, {"made": "here"})
    table = read_table(path)
    assert table.metadata == {"made": "here"}
    found = [np.frombuffer(path.read_bytes()[start:end], np.float32).tolist() for start, end in table.places]
    assert sorted(found) == [[0.0, 1.0, 2.0], [1.0] * 4]
    assert table.n_bytes == table.announced == path.stat().st_size


def test_a_file_that_was_cut_off_is_shorter_than_announced(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    save_file({"a": torch.ones(9)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    table = read_table(path)
    assert table.n_bytes == table.announced - 1


@pytest.mark.parametrize("table", ["", "[]", "3", '{"a": {}}', '{"a": {"data_offsets": [0]}}', '{"__metadata__": 3}'])
def test_what_is_no_table_is_refused(tmp_path: Path, table: str) -> None:
    (tmp_path / "odd").write_bytes(len(table).to_bytes(8, "little") + table.encode())
    with pytest.raises(ValueError, match="no table of tensors"):
        read_table(tmp_path / "odd")
