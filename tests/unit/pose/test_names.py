import hashlib
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.pose.names import MOST, allocate, name_of, pose_names

GOLDEN = Path("tests/data/golden/mardm/filenames.json")
# Where today's scripts give a name that no file should have.
OTHER_ON_PURPOSE = {
    "???": "-",  # the name was empty
    "A person ": "-",
    "..": "..-",  # the folder above
    "A person a\tb": "ab",  # a control character
}
CAPTIONS = st.text(st.characters() | st.sampled_from("aA .-_/\\:r2#eé\u0301\u200f举\0"), max_size=40)


def hashed(plain: str, caption: str) -> str:
    return f"{plain}-{hashlib.sha256(caption.encode()).hexdigest()[:8]}"


def folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def golden() -> dict[str, str]:
    return {case["text"]: case["upstream_name"] for case in json.loads(GOLDEN.read_text(encoding="utf-8"))}


def test_names_are_those_of_the_scripts_in_use_where_these_can_be_kept() -> None:
    kept = {text: name for text, name in golden().items() if text not in OTHER_ON_PURPOSE and len(name.encode()) < MOST}
    assert len(kept) == 12
    assert {text: name_of(text) for text in kept} == kept


def test_a_name_of_200_characters_is_kept_and_a_longer_one_is_cut_with_a_hash() -> None:
    assert name_of(f"A person {200 * 'x'}") == 200 * "x"
    longer = [text for text, name in golden().items() if name == 200 * "x"]
    assert len(longer) == 2
    assert allocate(longer) == [hashed(191 * "x", text) for text in longer]


def test_a_chinese_name_is_cut_at_a_whole_character_within_200_bytes() -> None:
    (caption,) = (text for text in golden() if text.startswith("举手"))
    # 191 bytes are left beside the hash: 27 times 7 bytes, and 举 without 手 would be 192.
    assert name_of(caption) == hashed(27 * "举手_", caption)


@pytest.mark.parametrize(("caption", "beginning"), OTHER_ON_PURPOSE.items())
def test_a_name_that_no_file_should_have_gets_a_hash(caption: str, beginning: str) -> None:
    wanted = beginning if not beginning.endswith("-") else hashed(beginning[:-1], caption)
    assert name_of(caption) == wanted


def test_what_a_path_cannot_have_or_nobody_sees_is_deleted_and_every_space_is_an_underscore() -> None:
    assert name_of('A person <a>:"b"/c\\d|{e}?f*') == "abcdef"
    assert name_of("A person a\0b\u200f\u202ec\u2028d\u2029e\ud800f\ufeff") == "abcdef"
    assert name_of("A\u00a0person\u3000waves 😀") == "waves_😀"


def test_the_first_of_captions_with_one_name_keeps_it() -> None:
    captions = ["A person waving", "waving", "A person wav/ing"]
    assert allocate(captions) == ["waving", hashed("waving", "waving"), hashed("waving", "A person wav/ing")]


def test_names_that_differ_in_case_or_in_how_an_accent_is_stored_are_one_name() -> None:
    composed, apart, large = "A person étiré", "A person e\u0301tire\u0301", "A person ÉTIRÉ"
    assert allocate([composed, apart, large]) == ["étiré", hashed("étiré", apart), hashed("ÉTIRÉ", large)]


@pytest.mark.parametrize("caption", ["walk-r2", "walk-R13", "walk_features", "walk_FEATURES"])
def test_a_name_that_ends_as_another_poses_files_gets_a_hash(caption: str) -> None:
    assert name_of(caption) == hashed(caption, caption)


@pytest.mark.parametrize("caption", ["walk-r", "walk-r2x", "-r2 walk", "features"])
def test_a_name_that_only_looks_so_keeps_its_own(caption: str) -> None:
    assert name_of(caption) == caption.replace(" ", "_")


def test_a_caption_that_spells_another_ones_hashed_name_takes_nothing_from_it() -> None:
    second = "A person walk"
    names = allocate(["walk", hashed("walk", second), second])
    assert names[:2] == ["walk", hashed("walk", second)]
    assert names[2].startswith("walk-")
    assert len(set(names)) == 3


def test_a_caption_that_stands_twice_has_one_name() -> None:
    assert allocate(["a", "b", "a"]) == ["a", "b", "a"]


@given(
    CAPTIONS
    | st.integers(150, 300).map(lambda n: n * "举")
    | st.integers(150, 300).map(lambda n: "A person " + n * "x")
)
def test_a_name_is_one_component_of_a_path_with_room_for_the_endings(caption: str) -> None:
    name = name_of(caption)
    assert name not in ("", ".", "..")
    assert not set(name) & set('<>:"/\\|?*\0\n\r\t\u2028\u2029 ')
    assert unicodedata.is_normalized("NFC", name)
    assert len(name) <= len(name.encode()) <= MOST
    assert len(f".polymill-00000000-{name}-r1000_features.npy".encode()) <= 255


@given(st.lists(CAPTIONS, max_size=30, unique=True))
def test_no_two_captions_share_a_name_and_what_is_appended_renames_nothing(captions: list[str]) -> None:
    names = allocate(captions)
    assert len({folded(name) for name in names}) == len(captions)
    half = len(captions) // 2
    assert allocate(captions[:half]) == names[:half]


@given(st.lists(st.text("aAbé ", min_size=1, max_size=3), max_size=40, unique=True))
def test_no_two_captions_share_a_file_where_names_often_collide(captions: list[str]) -> None:
    files = [f"{name}{end}" for name in allocate(captions) for end in (".npy", "-r2.npy", "_features.npy")]
    assert len({folded(file) for file in files}) == len(files)


def test_no_caption_is_named_as_a_second_pose_of_another() -> None:
    captions = ["A person walks", "A person walks-r2", "A person walks-R3"]
    assert pose_names("walks", 3) == ["walks", "walks-r2", "walks-r3"]
    poses = [pose.lower() for name in allocate(captions) for pose in pose_names(name, 3)]
    assert len(set(poses)) == 9
