"""Published figures stand beside ours only where the test set is the published one."""

import pytest

from scripts.fgclip.evaluation.published import OTHER_PROTOCOL, published_rows

UCF_CRIME = {"n_listed": 290, "n": 290, "anomalous": 140, "normal": 150}


def test_the_figures_of_ucf_crime_are_fractions_with_their_source() -> None:
    rows = {row["model"]: row for row in published_rows(UCF_CRIME)}
    assert rows["PEL4VAD 2024"]["auc"] == pytest.approx(0.8676)
    assert rows["PEL4VAD 2024"]["ap"] == pytest.approx(0.3399)
    assert rows["VadCLIP 2024"]["ap"] is None
    for row in rows.values():
        assert row["note"].startswith(OTHER_PROTOCOL)
        assert "; " in row["note"]
        assert 0.7 < row["auc"] < 0.9


@pytest.mark.parametrize("other", [{"n": 289}, {"n_listed": 48}, {"anomalous": 139, "normal": 151}])
def test_another_test_set_or_a_part_of_it_has_none(other: dict[str, int]) -> None:
    assert list(published_rows(UCF_CRIME | other)) == []
