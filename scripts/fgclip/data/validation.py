"""The lists of a dataset checked against its videos: what can be used, and every error and warning by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from scripts.fgclip.data.annotation import AnnotatedVideo
from scripts.fgclip.data.item_check import Complaint, check_item
from scripts.fgclip.data.lookup import checked_key, key_of
from scripts.fgclip.data.options import DataOptions
from scripts.fgclip.data.records import Item, LabelledVideo, Records, Region, TestSet, Video
from scripts.fgclip.data.shapes import ListedItem
from scripts.fgclip.data.statistics import count_captions, count_clocks, count_records, last_frame
from scripts.fgclip.data.video_facts import VideoFacts
from scripts.shared.clip_tokens import ClipTokenizer
from scripts.shared.errors import SampleError
from scripts.shared.index_files import Failure, counts

TEST_PLACE = "test annotation"
# Errors of the plan: the video was not looked at. All others are those of the decoder.
_PLANNED = frozenset({"missing_video", "two_videos", "bad_name", "bad_path"})

Facts = Mapping[str, VideoFacts | Failure]


class Problem(NamedTuple):
    """An error or a warning of one item, or of the whole dataset.

    Attributes:
        item: name of the item; empty where the dataset is meant.
        place: the list and the position there.
        kind: class of it.
        message: one line.
    """

    item: str
    place: str
    kind: str
    message: str


@dataclass(frozen=True)
class Validation:
    """What came of a dataset's lists.

    Attributes:
        records: the training items that can be used.
        test: the test videos that can be used.
        failures: the items and test videos that cannot, in list order.
        errors: all reasons why.
        warnings: what should be looked at.
        not_selected: items of videos that the option `select` leaves out.
        statistics: counts for the report; see `statistics`.
    """

    records: Records
    test: TestSet
    failures: tuple[Failure, ...]
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    not_selected: int
    statistics: dict[str, Any]

    @property
    def n_usable(self) -> int:
        """Training items and test videos that can be used."""
        return len(self.records.items) + len(self.test.videos)

    def summary(self) -> dict[str, Any]:
        """The content of `summary.json`; the gate reads `ok`, `failed` and `errors`."""
        return {
            "ok": self.n_usable,
            "failed": len(self.failures),
            "errors": counts(failure.error for failure in self.failures),
            "warnings": counts(warning.kind for warning in self.warnings),
            "items": len(self.records.items),
            "videos": len(self.records.videos),
            "anomalous_items": sum(item.anomalous for item in self.records.items),
            "test_videos": len(self.test.videos),
            "test_listed": self.test.listed,
            "not_selected": self.not_selected,
        }


def validate(
    listed: Sequence[ListedItem],
    annotated: Sequence[AnnotatedVideo],
    boxed: Sequence[ListedItem],
    facts: Facts,
    options: DataOptions,
) -> Validation:
    """Check the lists of a dataset against its videos.

    Args:
        listed: the training items.
        annotated: the test videos; none is in the training list.
        boxed: items with boxes of test videos.
        facts: of each video by key, or why there are none; a video that `select` leaves out is absent.
        options: of the dataset.

    Returns:
        What can be used and what not, and why.
    """
    checker = _Checker(facts, options, ClipTokenizer.embedded().count)
    items = [item for each in listed if (item := checker.check(each)) is not None]
    if items and len({item.anomalous for item in items}) == 1:
        kind = "anomalous" if items[0].anomalous else "normal"
        words = f"all items are {kind}; a training sets one kind against the other, and takes plain batches here"
        checker.warnings.append(Problem("", "", "one_kind", words))
    records = Records({key: checker.video(key) for key in dict.fromkeys(item.video for item in items)}, tuple(items))
    statistics = {
        "classes": count_records(records),
        **count_captions(listed, checker.n_tokens),
        "clocks": count_clocks(checker.keyed, options),
    }
    test = _test_set(annotated, boxed, checker)
    return Validation(
        records=records,
        test=test,
        failures=tuple(checker.failures),
        errors=tuple(checker.errors),
        warnings=tuple(checker.warnings),
        not_selected=checker.not_selected,
        statistics=statistics,
    )


class _Checker:
    """Checks items one by one and keeps what it finds.

    Args:
        facts: of each video by key.
        options: of the dataset.
        n_tokens: counts the tokens of a caption.
    """

    def __init__(self, facts: Facts, options: DataOptions, n_tokens: Callable[[str], int]) -> None:
        self._facts, self.options, self.n_tokens = facts, options, n_tokens
        self._there = {key: found for key, found in facts.items() if isinstance(found, VideoFacts)}
        self.failures: list[Failure] = []
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        self.not_selected = 0
        self.keyed: list[tuple[int, VideoFacts]] = []
        self._place_of: dict[tuple[bool, str], str] = {}

    def check(self, listed: ListedItem, *, captioned: bool = True) -> Item | None:
        """Check an item; None where it cannot be used, or `select` leaves its video out.

        Args:
            listed: the item.
            captioned: False in a list of boxes, where captions do not matter.
        """
        key, place = _name(listed), listed.place
        try:
            facts = self.facts_of(listed)
        except SampleError as error:
            self._fail(key, place, listed.video, [Complaint(error.error, error.message)])
            return None
        if facts is None:
            self.not_selected += 1
            return None
        checked = check_item(listed, key, facts, self.options, n_tokens=self.n_tokens, captioned=captioned)
        name = key if checked.item is None else checked.item.name
        if (last := last_frame(listed)) is not None:
            self.keyed.append((last, facts))
        if checked.item is not None:
            earlier = self._place_of.setdefault((captioned, name), place)
            if earlier != place:
                words = f"{earlier} has the same video and the same span; take one out"
                checked.errors.append(Complaint("duplicate_item", words))
        self.warnings += [Problem(name, place, *warning) for warning in checked.warnings]
        if checked.errors:
            self._fail(name, place, facts.source, checked.errors)
            return None
        return checked.item

    def facts_of(self, listed: ListedItem) -> VideoFacts | None:
        """The facts of an item's video; None where `select` leaves it out.

        Raises:
            SampleError: the item cannot be read, or its video cannot be had.
        """
        if listed.wrong:
            raise SampleError("bad_item", f"it {listed.wrong}")
        if not isinstance(listed.video, str) or not listed.video:
            raise SampleError("no_video_name", f"its video is {listed.video!r:.80}; write the name of its file")
        return self.facts_of_key(checked_key(listed.video))

    def facts_of_key(self, key: str) -> VideoFacts | None:
        """The facts of a video; None where `select` leaves it out.

        Raises:
            SampleError: it cannot be had.
        """
        failure = self._facts.get(key)
        if isinstance(failure, Failure):
            if failure.error in _PLANNED:
                raise SampleError(failure.error, failure.message)
            raise SampleError("undecodable_video", f"{failure.error}: {failure.message}")
        return self._there.get(key)

    def video(self, key: str) -> Video:
        """A video that is there, as the records have it."""
        facts = self._there[key]
        return Video(self.path(facts), facts.n_frames, facts.fps, facts.width, facts.height, facts.digest)

    def path(self, facts: VideoFacts) -> Path:
        """Where a video lies."""
        return Path(self.options.videos, facts.source)

    def fail_test_video(self, key: str, name: str, error: SampleError) -> None:
        """Note that a test video cannot be had: a failure, unless test videos may be missing."""
        if self.options.allow_missing:
            self.warnings.append(Problem(key, TEST_PLACE, error.error, error.message))
        else:
            self._fail(key, TEST_PLACE, name, [Complaint(error.error, error.message)])

    def _fail(self, name: str, place: str, source: object, complaints: Sequence[Complaint]) -> None:
        first, more = complaints[0], len(complaints) - 1
        also = f" (and {more} more: see validation.json)" if more else ""
        source = source if isinstance(source, str) else ""
        self.failures.append(Failure(name, source, first.kind, f"{place}: {first.message}{also}"))
        self.errors += [Problem(name, place, *complaint) for complaint in complaints]


def _test_set(annotated: Sequence[AnnotatedVideo], boxed: Sequence[ListedItem], checker: _Checker) -> TestSet:
    videos: dict[str, LabelledVideo] = {}
    missing: list[str] = []
    clipped: list[dict[str, Any]] = []
    for row in annotated:
        key = key_of(row.name)
        try:
            facts = checker.facts_of_key(checked_key(row.name))
        except SampleError as error:
            checker.fail_test_video(key, row.name, error)
            facts = None
        if facts is None:
            missing.append(key)
            continue
        for start, end in row.intervals:
            if end > facts.n_frames:
                clipped.append({"key": key, "interval": [start, end], "n_frames": facts.n_frames})
                words = f"the interval {start} {end} ends after the video's {facts.n_frames} frames; it was cut"
                checker.warnings.append(Problem(key, TEST_PLACE, "interval_past_the_end", words))
        intervals = tuple((start, min(end, facts.n_frames)) for start, end in row.intervals if start < facts.n_frames)
        videos[key] = LabelledVideo(key, checker.path(facts), row.category, facts.n_frames, facts.fps, intervals)
    boxes = _boxes(boxed, videos, checker)
    return TestSet(len(annotated), tuple(videos.values()), tuple(missing), tuple(clipped), boxes)


def _boxes(
    boxed: Sequence[ListedItem], videos: Mapping[str, LabelledVideo], checker: _Checker
) -> dict[str, tuple[Region, ...]]:
    """The annotated regions of test videos, by key."""
    boxes: dict[str, tuple[Region, ...]] = {}
    for listed in boxed:
        name = _name(listed)
        if not listed.wrong and name not in videos:
            words = "boxes of a video that the test annotation lacks, or that cannot be used; nothing reads them"
            checker.warnings.append(Problem(name, listed.place, "boxes_of_no_test_video", words))
        elif (item := checker.check(listed, captioned=False)) is not None:
            boxes[name] = boxes.get(name, ()) + item.regions
    return boxes


def _name(listed: ListedItem) -> str:
    """What to call an item: the key of its video, or its place where it names none."""
    named = isinstance(listed.video, str) and bool(listed.video)
    return key_of(listed.video) if named else f"item {listed.position}"
