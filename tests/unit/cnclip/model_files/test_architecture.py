import pytest
import torch

from scripts.cnclip.model_files.architecture import (
    ARCHITECTURES,
    architecture_name,
    config_sizes,
    empty_model,
    find_sizes,
    make_config,
    random_model,
)
from scripts.shared.errors import ConfigError

# The sizes that Chinese-CLIP's authors publish of their models, and the tiny ones that were measured.
PARAMETERS = {
    "tiny": 1_528_385,
    "tiny-teacher": 2_639_137,
    "ViT-B-16_RoBERTa-wwm-ext-base-chinese": 188_262_913,
    "ViT-B-32_RoBERTa-wwm-ext-base-chinese": 189_919_489,
    "ViT-L-14_RoBERTa-wwm-ext-base-chinese": 406_233_089,
    "ViT-L-14-336_RoBERTa-wwm-ext-base-chinese": 406_560_769,
    "ViT-H-14_RoBERTa-wwm-ext-large-chinese": 957_598_209,
}


def n_parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_every_architecture_has_its_anchor() -> None:
    assert PARAMETERS.keys() == ARCHITECTURES.keys()


@pytest.mark.parametrize("name", PARAMETERS)
def test_architecture_has_as_many_parameters_as_published(name: str) -> None:
    model = empty_model(make_config(find_sizes(name)))
    assert n_parameters(model) == PARAMETERS[name]
    assert all(parameter.is_meta for parameter in model.parameters())


def test_vision_tower_of_b16_is_as_large_as_published() -> None:
    model = empty_model(make_config(find_sizes("ViT-B-16_RoBERTa-wwm-ext-base-chinese")))
    assert n_parameters(model.vision_model) + n_parameters(model.visual_projection) == 86_192_640


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_configuration_says_the_sizes_that_it_was_made_of(name: str) -> None:
    config = make_config(find_sizes(name))
    assert config_sizes(config) == find_sizes(name)
    assert architecture_name(config) == name


def test_model_of_other_sizes_has_no_name() -> None:
    sizes = find_sizes("tiny")
    assert architecture_name(make_config(sizes._replace(vision=sizes.vision._replace(mlp=184)))) is None


def test_equal_seeds_give_equal_weights_and_leave_the_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    first, second, third = (random_model("tiny", seed).state_dict() for seed in (5, 5, 6))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["text_projection.weight"], third["text_projection.weight"])


def test_unknown_architecture_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no 'ViT-B-8'; there are tiny, tiny-teacher, ViT-B-32"):
        find_sizes("ViT-B-8")


def test_resnet_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match=r"RN50.*ResNet, which is not supported"):
        find_sizes("RN50_RBT3-chinese")
