import numpy as np
import pytest
import torch

from scripts.pose.nets.diff_mlp import guided_field
from scripts.pose.sampling import ddpm
from tests.unit.pose.nets.golden_nets import distance, golden, small_mlp

TABLES = {
    "betas": "betas",
    "alphas_cumprod": "alphas_cumprod",
    "sqrt_recip": "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1": "sqrt_recipm1_alphas_cumprod",
    "mean_of_sample": "posterior_mean_coef1",
    "mean_of_x": "posterior_mean_coef2",
    "log_variance": "posterior_log_variance_clipped",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_equal_the_golden_ones(name: str) -> None:
    wanted = golden("ddpm_mlp_small")[TABLES[name]].numpy()
    np.testing.assert_allclose(getattr(ddpm.tables(), name), wanted, rtol=1e-13)


@pytest.mark.parametrize(("cfg", "temperature"), [("4.5", "1.0"), ("1.0", "1.0"), ("4.5", "0.8")])
def test_samples_equal_the_golden_ones(cfg: str, temperature: str) -> None:
    data, net = golden("ddpm_mlp_small"), small_mlp("ddpm")
    start, step_noise, wanted = (
        data[f"cfg{cfg}_temp{temperature}_{what}"] for what in ("noise", "step_noise", "sample")
    )
    z_text, z_none = (data["z"], None) if cfg == "1.0" else (data["z"][:5], data["z"][5:])
    n = len(start)
    with torch.no_grad():
        field = guided_field(net, z_text, z_none, float(cfg))
        # Upstream's temperature, which its own callers leave at 1, is a factor of the noise that is added.
        found = ddpm.sample(field, start, float(temperature) * step_noise[:, :n].transpose(0, 1))
    assert distance(found, wanted[:n]) < 1e-5


def test_a_net_that_knows_the_sample_leads_to_it() -> None:
    wanted = torch.tensor([[0.5, -1.0, 2.0]])
    left = torch.from_numpy(ddpm.tables().alphas_cumprod).float()

    def noise_in(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        share = left[int(t)]
        return (x - share.sqrt() * wanted) / (1 - share).sqrt()

    generator = torch.Generator().manual_seed(0)
    found = ddpm.sample(noise_in, torch.randn(1, 3, generator=generator), torch.randn(1, 50, 3, generator=generator))
    assert distance(found, wanted) < 1e-4


def test_the_noise_of_a_step_has_the_standard_deviation_of_the_step_before() -> None:
    data = golden("ddpm_mlp_small")
    step_noise = torch.zeros(1, 50, 2)
    step_noise[0, 48, 1] = 1  # time 1
    step_noise[0, 49] = 7  # time 0, where none is added
    found = ddpm.sample(lambda x, _: torch.zeros_like(x), torch.zeros(1, 2), step_noise)
    wanted = data["posterior_variance"][1].sqrt() * data["sqrt_recip_alphas_cumprod"][0]
    assert found.flatten().tolist() == pytest.approx([0, float(wanted)], rel=1e-6)
