"""The form of `eval/<form>/metrics.json`, which tables, comparisons and figures read.

A value that cannot be told is `null`, and `why_null` beside it has the reason under the same name. Areas, rates and
accuracies are fractions from 0 to 1; intervals are `[low, high]` of 95 %, by resampling videos.

```
format        1
dataset, form names
title         "<dataset>, <form>", with ", <n> of <m> videos" where not all listed videos were scored
missing       keys of listed test videos without scores (only with `allow_missing`, else an error)
expand        "linear" | "repeat"
ap            in words: which of the published ways to count average precision it is
bootstrap     {"samples", "seed"}
frames        {"n", "positive", "prevalence"} of the test frames
videos        {"n_listed", "n", "anomalous", "normal"}
scores        by name of a score, "global", "dense", "mean" (always these three, in `SCORES`):
    auc, auc_interval                    ROC-AUC over all test frames
    ap, ap_interval                      average precision over them
    auc_anomalous, auc_anomalous_interval      "AUC-A": ROC-AUC over the frames of anomalous videos alone
    video_auc, video_auc_interval        ROC-AUC of videos by their largest frame score
    threshold                            fixed on training videos, in units of this score
    false_alarm_rate                     share of the frames of normal test videos above the threshold
    detection_rate                       share of the annotated frames above the threshold
    why_null                             {name: reason}
    classes     by class of anomalies, as far as the test set has videos of it:
        n_videos, few (fewer than 5: print it with a star)
        auc_alone, auc_alone_interval    over the class's anomalous videos alone
        auc_with_normals, auc_with_normals_interval      over them and all normal videos
        why_null
controls      {"random": {"auc", "ap", "auc_anomalous"}, "video_label_oracle": likewise, "why_null"}: chance, and a
              detector that knows each video's label and nothing of when
pointing      {"accuracy", "accuracy_interval", "chance", "n_frames", "n_videos", "why_null"}: whether the place of the
              largest margin lies in the annotated box, over scored frames with one; chance is what a random place gets
calibration   {"n_videos", "why_null", "scores"}, from training videos; scores is empty where none was scored, else
              {"global": {"mean", "std", "threshold"}, "dense": likewise, "mean": {"threshold"}}; thresholds may be null
per_video     in the order of the test set: {"key", "category", "anomalous", "n_frames", "n_positive",
              "max": {name: number}, "auc": {name: number | null}, "false_alarm_rate": {name: number | null}};
              the latter of normal videos alone
```

`eval/<form>/bootstrap.npz` beside it has what a comparison of two forms needs: `videos`, the (n,) keys that were
resampled, and by `<score>.<auc|ap|auc_anomalous|video_auc>` the (samples,) float64 values of the resamplings, NaN where
one held a single class. The same videos, seed and samples are the same resamplings: differences are paired.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.shared.errors import JobError

FORMAT = 1
METRICS, TABLE, BOOTSTRAP = "metrics.json", "metrics.csv", "bootstrap.npz"
GLOBAL, DENSE, MEAN = "global", "dense", "mean"
SCORES = (GLOBAL, DENSE, MEAN)
MEASURES = ("auc", "ap", "auc_anomalous", "video_auc")
RATES = ("false_alarm_rate", "detection_rate")
CLASS_MEASURES = ("auc_alone", "auc_with_normals")
COLUMNS = ("score", "class", "measure", "value", "low", "high", "n_videos", "why_null")  # of `metrics.csv`
FEW_VIDEOS = 5  # below, a class's values are printed with a star


def read_metrics(path: Path) -> Mapping[str, Any]:
    """Read a `metrics.json`.

    Raises:
        JobError: it is absent, damaged, or of another form.
    """
    try:
        said: Mapping[str, Any] = json.loads(path.read_bytes())
        same = said["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path}: cannot be read ({error}); remove it and run again") from error
    if not same:
        raise JobError(f"{path}: has the form {said['format']}, not {FORMAT}; remove it and run again")
    return said
