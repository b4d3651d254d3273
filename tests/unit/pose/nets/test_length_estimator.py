import torch

from scripts.pose.nets.length_estimator import LengthEstimator
from scripts.pose.nets.loading import load_state
from tests.unit.pose.nets.golden_nets import distance, golden, layout, weights


@torch.inference_mode()
def test_logits_are_those_of_mardm() -> None:
    wanted, net = golden("length_estimator"), LengthEstimator()
    load_state(net, weights("length_estimator"), where="length_estimator")
    logits = net(wanted["text_emb"])
    assert distance(logits, wanted["logits"]) <= 1e-5
    assert distance(logits.softmax(-1), wanted["probs"]) <= 1e-5


def test_it_has_the_keys_shapes_and_parameters_of_the_checkpoints() -> None:
    upstream, net = layout("length_estimator"), LengthEstimator()
    assert {key: list(value.shape) for key, value in net.state_dict().items()} == upstream["shapes"]
    assert sum(parameter.numel() for parameter in net.parameters()) == upstream["_meta"]["n_parameters"]
