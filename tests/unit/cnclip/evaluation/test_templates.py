import pytest

from scripts.cnclip.evaluation.templates import sentences, set_of, template_sets, templates
from scripts.shared.errors import ConfigError


@pytest.mark.parametrize("name", template_sets())
def test_no_sentence_stands_twice_and_each_holds_the_label_once(name: str) -> None:
    chosen = templates(name)
    assert len(set(chosen)) == len(chosen) >= 15
    assert all(sentence.count("{}") == 1 for sentence in chosen)


def test_sets_are_found_by_the_data_set_that_they_are_for() -> None:
    named = ("fgvc-aircraft-2013b-variants102", "food-101", "oxford-flower-102", "eurosat_clip", "country211")
    assert [set_of(name) for name in named] == ["aircraft", "food", "flower", "eurosat", "country211"]
    assert set_of("resisc45_clip") == "resisc45"
    assert set_of("caltech-101") == "openai"


def test_a_label_with_braces_is_put_in_as_it_is() -> None:
    assert sentences(["一张{}的照片"], "{0}") == ["一张{0}的照片"]


def test_an_unknown_set_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(ConfigError, match="no set 'flowers'; there are openai, flower"):
        templates("flowers")
