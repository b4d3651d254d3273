"""Stands in for the WeSpeaker package, which needs torchaudio and so a CUDA machine: put its parent on the path.

The interface is that of commit dfa7419 (`load_model(folder).model`, a net that gives a pair for some families), and so
are the defects: it takes hub names as downloads, prints its configuration, unpickles whatever the weights hold, leaves
at random what they lack, leaves features where they are, and embeds one file at a time.
"""

import pickle
from pathlib import Path
from typing import Any

import torch
import yaml

from scripts.speaker.nets.catalogue import NETS

HUB = ("chinese", "english", "campplus", "eres2net", "vblinkp", "vblinkf", "w2vbert2_mfa")
_GIVE_A_PAIR = ("ResNet", "ERes2Net")


class Speaker:
    def __init__(self, model_dir: str) -> None:
        self.model = load_model_pt(model_dir)
        self.device = torch.device("cpu")

    def set_device(self, device: str) -> None:
        self.device = torch.device(device)
        self.model = self.model.to(self.device)

    def extract_embedding(self, audio_path: str) -> torch.Tensor:
        raise NotImplementedError(f"{audio_path}: this stand-in reads no audio")


def load_model(model_name_or_path: str) -> Speaker:
    if model_name_or_path in HUB:
        raise ConnectionError(f"{model_name_or_path} would be downloaded")
    return Speaker(model_name_or_path)


def load_model_pt(model_dir: str) -> torch.nn.Module:
    config = yaml.load(Path(model_dir, "config.yaml").read_text(), Loader=yaml.FullLoader)  # noqa: S506
    net = NETS[config["model"]](**config["model_args"])
    print(config)
    weights = torch.load(Path(model_dir, "avg_model.pt"), weights_only=False, pickle_module=pickle)
    net.load_state_dict(weights, strict=False)
    net.register_forward_pre_hook(_stay_on_one_device)
    if config["model"].startswith(_GIVE_A_PAIR):
        net.register_forward_hook(_pair)
    return net.eval()


def _stay_on_one_device(net: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
    features, weights = inputs[0].device, next(net.parameters()).device
    if features != weights:
        raise RuntimeError(f"Expected all tensors to be on the same device, found {weights} and {features}")


def _pair(net: torch.nn.Module, inputs: Any, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(0.0), embedding
