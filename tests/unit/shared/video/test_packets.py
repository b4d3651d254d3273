"""The packet plan, on made-up tables."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.shared.video.packets import PacketFacts, Unplannable, delivered, plan_runs, presentation_order

P = PacketFacts


def table_of(text: str) -> list[PacketFacts]:
    """Packets in decode order such as "K0 4 2 b1 b3": number is pts, K a key, b referred to by none."""
    return [
        P(pts=int(word.strip("Kbdh")), dts=None, key="K" in word, unreferenced="b" in word, discard="d" in word,
          shown="h" not in word)
        for word in text.split()
    ]  # fmt: skip


def test_frames_are_ordered_by_the_time_they_are_shown() -> None:
    assert presentation_order(table_of("K0 4 2 b1 b3"), reorder_depth=2) == [0, 3, 2, 4, 1]


def test_hidden_and_discarded_packets_are_no_frames() -> None:
    assert presentation_order(table_of("Kd0 d1 2 h9 3"), reorder_depth=0) == [2, 4]


def test_nothing_is_decoded_before_the_key_frame_or_after_the_wanted_one() -> None:
    (run,) = plan_runs(table_of("K0 1 2 K3 4 5 K6 7"), [4])
    assert run.send == (3, 4)


def test_frames_that_none_refers_to_are_left_out_unless_wanted() -> None:
    table = table_of("K0 4 2 b1 b3 8 6 b5 b7")
    (run,) = plan_runs(table, [7, 6])
    assert run.send == (0, 1, 2, 5, 6, 7)


def test_a_leading_picture_of_an_open_group_needs_the_group_before() -> None:
    table = table_of("K0 2 b1 K6 4 b3 b5 8 b7")
    assert [run.send for run in plan_runs(table, [4])] == [(0, 1, 3, 4)]
    assert [run.send for run in plan_runs(table, [7])] == [(3, 4, 7)]


def test_stretches_that_meet_are_one_run_and_others_are_not() -> None:
    table = table_of("K0 1 K2 3 K4 5 K6 7")
    assert [run.send for run in plan_runs(table, [1, 6, 7])] == [(0, 1), (6, 7)]
    assert [run.send for run in plan_runs(table_of("K0 1 2 3"), [1, 3, 3])] == [(0, 1, 2, 3)]


def test_a_run_reaching_back_swallows_the_run_before_it() -> None:
    table = table_of("K0 1 K5 3 b2 b4 6")
    (run,) = plan_runs(table, [1, 2, 3])
    assert run.send == (0, 1, 2, 3)
    assert run.wanted == {1, 2, 3}


def test_only_the_highest_temporal_layer_is_left_out() -> None:
    low = P(pts=1, dts=None, key=False, unreferenced=True, layer=0)
    high = P(pts=2, dts=None, key=False, unreferenced=True, layer=1)
    (run,) = plan_runs([P(0, None, key=True), low, high, P(3, None, key=False, layer=1)], [3])
    assert run.send == (0, 1, 3)


def test_frames_before_the_first_key_of_a_run_are_not_expected_from_it() -> None:
    table = table_of("K0 2 b1 K6 4 b3 b5 8 b7")
    (run,) = plan_runs(table, [7])
    assert delivered(table, run) == [3, 7]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (table_of("0 1 2"), "begin with a key"),
        ([P(0, 0, key=True), P(None, 1, key=False)], "packet 1 has no presentation time"),
        (table_of("K0 1 1"), "packets 1 and 2 have the same"),
        (table_of("K0 9 8 1"), "packet 3 comes later"),
        (table_of("K100 101 102 K0 1 2"), "packet 3 comes later"),
        ([P(0, 0, key=True), P(1, 1, key=False, corrupt=True)], "packet 1 is damaged"),
    ],
)
def test_a_table_that_proves_nothing_says_why(table: list[PacketFacts], reason: str) -> None:
    with pytest.raises(Unplannable, match=reason):
        presentation_order(table, reorder_depth=1)


def test_a_leading_picture_without_a_group_before_it_cannot_be_planned() -> None:
    with pytest.raises(Unplannable, match="before any key frame"):
        plan_runs(table_of("K5 3 6"), [1])


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[PacketFacts, frozenset[int]]]:
    """Packets as an encoder may write them, each with the packets that it refers to.

    Groups open or closed, with a pyramid of B-frames: what a plan must never miss is known here.
    """
    stream: list[tuple[PacketFacts, frozenset[int]]] = []
    clock = 0
    last_anchor: int | None = None
    for group in range(draw(st.integers(1, 5))):
        opens = group > 0 and draw(st.booleans())
        for place in range(draw(st.integers(1, 6))):
            n_between = draw(st.integers(0, 3)) if last_anchor is not None and (place or opens) else 0
            anchor = len(stream)
            key = place == 0
            before = frozenset() if key else frozenset({last_anchor})
            stream.append((P(clock + n_between, None, key=key), before))
            around = frozenset({anchor, last_anchor}) if last_anchor is not None else frozenset({anchor})
            middle = anchor
            for number in range(n_between):
                pyramid = number == 0 and n_between > 1
                refers = around if number == 0 else around | {middle}
                middle = len(stream) if number == 0 else middle
                pts = clock + n_between - 1 if number == 0 else clock + number - 1
                used = pyramid or draw(st.booleans())
                stream.append((P(pts, None, key=False, unreferenced=not used), refers))
            clock += n_between + 1
            last_anchor = anchor
    return stream


@given(stream=streams(), data=st.data())
@settings(derandomize=True, deadline=None, max_examples=300)
def test_a_plan_always_holds_everything_that_a_wanted_frame_refers_to(
    stream: list[tuple[PacketFacts, frozenset[int]]], data: st.DataObject
) -> None:
    table = [packet for packet, _ in stream]
    order = presentation_order(table, reorder_depth=3)
    assert sorted(order) == list(range(len(table)))
    wanted = data.draw(st.lists(st.sampled_from(order), min_size=1, max_size=6))
    runs = plan_runs(table, wanted)
    assert sorted(number for run in runs for number in run.wanted) == sorted(set(wanted))
    sent = [number for run in runs for number in run.send]
    assert sent == sorted(set(sent))
    for run in runs:
        assert table[run.send[0]].key
        for target in run.wanted:
            needed = {target}
            while needed:
                number = needed.pop()
                assert number in run.send
                needed |= stream[number][1]
        assert set(run.wanted) <= set(delivered(table, run))


@given(stream=streams())
@settings(derandomize=True, deadline=None, max_examples=100)
def test_wanting_more_frames_never_sends_fewer_packets(stream: list[tuple[PacketFacts, frozenset[int]]]) -> None:
    table = [packet for packet, _ in stream]
    order = presentation_order(table, reorder_depth=3)
    few = {number for run in plan_runs(table, order[::3]) for number in run.send}
    many = {number for run in plan_runs(table, order) for number in run.send}
    assert few <= many == set(range(len(table)))
