"""The table of translations."""

from pathlib import Path

import pytest

from scripts.fgclip.translation.table import append_row, plain, read_table
from scripts.shared.errors import ConfigError


def table_of(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "translations.tsv"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_a_caption_is_translated_whole_where_the_table_has_it(tmp_path: Path) -> None:
    table = read_table(table_of(tmp_path, "# reviewed", "", "盗窃异常:一名男子\tStealing by a man", "一名男子\ta man"))
    assert table.translate("盗窃异常:一名男子") == "Stealing by a man"


def test_the_class_before_a_colon_is_translated_alone(tmp_path: Path) -> None:
    table = read_table(table_of(tmp_path, "盗窃异常:\tStealing:", "一名男子偷走手机\ta man steals a phone"))
    assert table.translate("盗窃异常:一名男子偷走手机") == "Stealing: a man steals a phone"
    assert table.translate("盗窃异常: a man runs") == "Stealing: a man runs"


def test_full_width_signs_and_spaces_make_no_other_caption(tmp_path: Path) -> None:
    table = read_table(table_of(tmp_path, "盗窃异常：\tStealing:", "他跑了，她没有\the runs and she does not"))  # noqa: RUF001
    assert table.translate(" 盗窃异常:他跑了,她没有 ") == "Stealing: he runs and she does not"
    assert plain("\uff21\u3000 b ") == "A b"


def test_what_is_missing_is_named_by_its_parts_and_once(tmp_path: Path) -> None:
    table = read_table(table_of(tmp_path, "盗窃异常:\tStealing:"))
    assert table.translate("盗窃异常:一名男子") is None
    assert table.missing(["盗窃异常:一名男子", "一名男子", "抢劫异常:一名男子", "盗窃异常: he runs"]) == sorted(
        ["一名男子", "抢劫异常:"]
    )


def test_ideographs_of_extension_a_and_compatibility_are_chinese_too(tmp_path: Path) -> None:
    table = read_table(table_of(tmp_path, "㐂\thappy"))
    assert table.missing(["㐂", "\uf9b4"]) == [plain("\uf9b4")]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("一名男子", "line 1: 1 columns in '一名男子'; write the Chinese, a tab and the English"),
        ("一名男子\ta man\tsame\tmore", "line 1: 4 columns"),
        ("a man\t一名男子", "line 1: 'a man' is not Chinese; the Chinese stands before the tab"),
        ("一名男子\ta man\tSame?", "line 1: 'Same\\?' behind the second tab; only 'same' can stand there"),
    ],
)
def test_a_line_that_is_no_translation_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        read_table(table_of(tmp_path, line))


def test_a_text_with_two_translations_is_refused_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"line 3: '一名男子' has line 1 already"):
        read_table(table_of(tmp_path, "一名男子\ta man", "#", "一名男子 \ta boy"))


def test_a_table_that_is_not_there_or_not_utf8_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"translations\.tsv: No such file.*does `translations` name"):
        read_table(tmp_path / "translations.tsv")
    (tmp_path / "gbk.tsv").write_bytes("一名男子\ta man\n".encode("gbk"))
    with pytest.raises(ConfigError, match=r"gbk\.tsv: not UTF-8 \(byte 2\); save it as UTF-8"):
        read_table(tmp_path / "gbk.tsv")


def test_the_version_is_that_of_the_files_bytes(tmp_path: Path) -> None:
    path = table_of(tmp_path, "一名男子\ta man")
    before = read_table(path).version
    append_row(path, "女子", "a woman")
    assert len(before) == 12
    assert read_table(path).version != before


def test_a_row_is_added_behind_a_last_line_without_end(tmp_path: Path) -> None:
    path = tmp_path / "translations.tsv"
    path.write_text("一名男子\ta man", encoding="utf-8")
    append_row(path, "女子", "a woman")
    assert path.read_text(encoding="utf-8") == "一名男子\ta man\n女子\ta woman\n"
