from hypothesis import given
from hypothesis import strategies as st

from scripts.shared.planning.entry_list import EntryList
from scripts.shared.planning.stage import SourceEntry

ENTRIES = st.lists(st.builds(SourceEntry, st.text(max_size=5), st.text(max_size=5), st.binary(max_size=9)), max_size=9)


@given(entries=ENTRIES)
def test_a_list_gives_back_what_it_was_given(entries: list[SourceEntry]) -> None:
    kept = EntryList(entries)
    assert list(kept) == entries
    assert [kept[position] for position in range(len(kept))] == entries
    assert kept.keys == [entry.key for entry in entries]


@given(entries=ENTRIES, data=st.data())
def test_a_part_of_a_list_is_those_entries_alone(entries: list[SourceEntry], data: st.DataObject) -> None:
    positions = data.draw(st.lists(st.sampled_from(range(len(entries))), unique=True)) if entries else []
    assert list(EntryList(entries).only(positions)) == [entries[position] for position in positions]
