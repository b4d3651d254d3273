from scripts.fgclip.figures.choice import Judged, choose

VIDEOS = [
    Judged("Abuse1", "Abuse", True, 0.9, 3.0),
    Judged("Abuse2", "Abuse", True, 0.4, 2.0),
    Judged("Abuse3", "Abuse", True, 0.6, 2.0),
    Judged("Arson1", "Arson", True, 0.95, 5.0),
    Judged("Normal1", "Normal", False, None, 1.0),
    Judged("Normal2", "Normal", False, None, 4.0),
    Judged("Robbery1", "Robbery", True, None, 4.0),
]


def test_best_worst_and_normal_ones_take_turns() -> None:
    assert choose(VIDEOS, most=12) == {
        "Arson1": "best of Arson",
        "Abuse2": "worst of Abuse",
        "Normal2": "normal, number 1 by its highest score",
        "Abuse1": "best of Abuse",
        "Normal1": "normal, number 2 by its highest score",
        "Robbery1": "anomalous throughout",
    }


def test_no_more_are_chosen_than_wanted() -> None:
    assert list(choose(VIDEOS, most=2)) == ["Arson1", "Abuse2"]


def test_the_order_of_the_videos_changes_nothing() -> None:
    assert list(choose(reversed(VIDEOS), most=12).items()) == list(choose(VIDEOS, most=12).items())


def test_the_only_video_of_a_class_is_not_its_worst_too() -> None:
    assert choose(VIDEOS[3:4], most=5) == {"Arson1": "best of Arson"}


def test_nothing_is_chosen_of_nothing() -> None:
    assert choose([], most=5) == {}
