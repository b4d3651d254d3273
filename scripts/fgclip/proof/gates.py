"""What a run on the proof's data must reach, and what its control must not: else training does not learn, or is told.

Fresh weights reach an AUC of 0.65 now and then, so that being better than chance proves nothing.
"""

from collections.abc import Mapping
from typing import Any

LEAST_AUC, LEAST_POINTING, MOST_CONTROL_AUC = 0.90, 0.40, 0.70


def check(trained: Mapping[str, Any], control: Mapping[str, Any] | None = None) -> list[str]:
    """Compare the outcomes with the gates.

    Args:
        trained: of the run, as `metrics.json` has them; see `evaluation.metrics_file`.
        control: of the run on shuffled captions; None where there was none.

    Returns:
        A line for each gate that does not hold; none where all hold. A value that could not be told holds no gate.
    """
    auc, pointing = trained["scores"]["global"]["auc"], trained["pointing"]["accuracy"]
    failed = []
    if auc is None or auc < LEAST_AUC:
        failed.append(f"AUC {_said(auc)}, of {LEAST_AUC:.2f} at least: the run has not learned")
    if pointing is None or pointing < LEAST_POINTING:
        failed.append(f"pointing accuracy {_said(pointing)}, of {LEAST_POINTING:.2f} at least: it does not see where")
    if control is not None:
        for name in ("global", "dense"):
            auc = control["scores"][name]["auc"]
            if auc is None or auc > MOST_CONTROL_AUC:
                failed.append(
                    f"control on shuffled captions: AUC ({name}) {_said(auc)}, of {MOST_CONTROL_AUC:.2f} at most: "
                    "it was told some other way than by captions"
                )
    return failed


def _said(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
