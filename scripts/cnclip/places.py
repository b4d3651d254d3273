"""Where Chinese CLIP's files lie. Light: the Snakefile imports it.

A name may also be a wildcard, such as `{dataset}`: then the place is the pattern of a rule.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.cnclip.data import ranges
from scripts.cnclip.runs import EXPORTED_FORMS, INIT, check_model, form_of, of_model
from scripts.shared.dataset_dir import put_link
from scripts.shared.errors import ConfigError

DEMO = "demo"
CREDITS = "CREDITS.md"  # of the set that is made here
SPLITS = ("train", "valid", "test")
_DEMO_SHARDS = 1  # it is yet to be made when its jobs are planned
_FEATURE_FILES = ("image_ids.npy", "image_features.npy", "text_ids.npy", "text_features.npy", "facts.json")


def results(config: Mapping[str, Any]) -> Path:
    """The folder of all that the system makes."""
    return Path(config["results_dir"], "cnclip")


def demo_root(config: Mapping[str, Any]) -> Path:
    """The root of the set that is made here."""
    return results(config) / "demo_data"


def root(config: Mapping[str, Any], dataset: str) -> Path:
    """The root of a dataset: where its TSV and JSONL files, or its LMDBs, lie.

    Raises:
        ConfigError: there is no such dataset.
    """
    datasets = config["cnclip"]["datasets"]
    if dataset not in datasets:
        raise ConfigError(f"cnclip: no dataset {dataset!r}; there are {', '.join(datasets) or 'none'}")
    chosen = datasets[dataset]["root"]
    return demo_root(config) if chosen == DEMO else Path(chosen)


def is_demo(config: Mapping[str, Any], dataset: str) -> bool:
    """Whether a dataset is the one that is made here."""
    return bool(config["cnclip"]["datasets"][dataset]["root"] == DEMO)


def has_tsv(config: Mapping[str, Any], dataset: str, split: str) -> bool:
    """Whether a split's pictures lie in a TSV file (else in an LMDB)."""
    return is_demo(config, dataset) or (root(config, dataset) / f"{split}_imgs.tsv").exists()


def splits(config: Mapping[str, Any], dataset: str) -> list[str]:
    """The splits that a dataset has.

    Raises:
        ConfigError: it has none.
    """
    if is_demo(config, dataset):
        return list(SPLITS)
    folder = root(config, dataset)
    found = [
        split
        for split in SPLITS
        if (folder / f"{split}_imgs.tsv").exists() or (folder / "lmdb" / split / "imgs" / "data.mdb").exists()
    ]
    if not found:
        raise ConfigError(
            f"cnclip.datasets.{dataset}.root: {folder} holds neither {{train,valid,test}}_imgs.tsv nor "
            "lmdb/{train,valid,test}/imgs/data.mdb"
        )
    return found


def data_folder(config: Mapping[str, Any], dataset: str) -> Path:
    """The folder of what is made of a dataset."""
    return results(config) / "data" / dataset


def tables(config: Mapping[str, Any], dataset: str, split: str) -> dict[str, str]:
    """What a split holds that is whole: `pictures`, by their places in the TSV, and `texts`."""
    folder = data_folder(config, dataset)
    return {"pictures": f"{folder}/pictures/{split}.npz", "texts": f"{folder}/texts/{split}.jsonl"}


def lmdb_folder(config: Mapping[str, Any], dataset: str, split: str) -> Path:
    """The LMDB of a split in the official layout."""
    return data_folder(config, dataset) / "lmdb" / split


def pictures_file(config: Mapping[str, Any], dataset: str, split: str) -> Path:
    """The TSV of a split's pictures: the user's, or the one unpacked from an LMDB."""
    return _given_or_unpacked(config, dataset, split) / f"{split}_imgs.tsv"


def texts_file(config: Mapping[str, Any], dataset: str, split: str) -> Path:
    """The JSON Lines of a split's texts: the user's, or those unpacked from an LMDB."""
    return _given_or_unpacked(config, dataset, split) / f"{split}_texts.jsonl"


def translated_texts(config: Mapping[str, Any], dataset: str, split: str) -> dict[str, Path]:
    """The JSON Lines of a split's texts in other languages, by language."""
    languages = config["cnclip"]["datasets"][dataset]["languages"]
    return {language: root(config, dataset) / f"{split}_texts.{language}.jsonl" for language in languages}


def _given_or_unpacked(config: Mapping[str, Any], dataset: str, split: str) -> Path:
    given = has_tsv(config, dataset, split)
    return root(config, dataset) if given else data_folder(config, dataset) / "unpacked"


def n_shards(config: Mapping[str, Any], dataset: str, split: str) -> int:
    """How many jobs check, or encode, the pictures of a split; told by the size of the file that holds them.

    Raises:
        ConfigError: it cannot be looked at.
    """
    if is_demo(config, dataset):
        return _DEMO_SHARDS
    here = root(config, dataset)
    path = here / f"{split}_imgs.tsv"
    if not path.exists():
        path = here / "lmdb" / split / "imgs" / "data.mdb"
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: it holds the pictures of cnclip.datasets.{dataset}") from error
    return ranges.n_shards(size, config["cnclip"]["datasets"][dataset]["shard_bytes"])


def link_data(config: Mapping[str, Any], dataset: str) -> None:
    """Make the results' entry of a dataset whose LMDB and tables the user wants elsewhere.

    Raises:
        ConfigError: the link cannot be made.
    """
    chosen = config["cnclip"]["datasets"][dataset].get("output_dir")
    if not chosen:
        return
    link = data_folder(config, dataset)
    try:
        Path(chosen).mkdir(parents=True, exist_ok=True)
        put_link(link, Path(chosen))
    except OSError as error:
        raise ConfigError(
            f"cnclip.datasets.{dataset}.output_dir: {error.filename or link}: {error.strerror}; move what is in "
            f"{link} to {chosen}, or choose another folder"
        ) from error


def run_folder(config: Mapping[str, Any], run: str) -> Path:
    """The folder of one training."""
    return results(config) / "runs" / run


def run_folders(config: Mapping[str, Any]) -> dict[str, Path]:
    """The folder of every training of the configuration, by name."""
    return {run: run_folder(config, run) for run in config["cnclip"]["runs"]}


def model_folder(config: Mapping[str, Any], name: str) -> Path:
    """Where a model, or an exported form of one, lies or will lie.

    Args:
        config: the whole configuration.
        name: of a model or run, perhaps with a form: `kl.init`, `kl.onnx_int8`.

    Raises:
        ConfigError: there is no such model.
    """
    cnclip, model, form = config["cnclip"], of_model(name), form_of(name)
    check_model(cnclip, model, "cnclip")
    if form in EXPORTED_FORMS:
        return results(config) / "exports" / model
    if form and form != INIT:
        raise ConfigError(f"cnclip: no form {form!r} of {model!r}; forms are {', '.join([INIT, *EXPORTED_FORMS])}")
    if model in cnclip["runs"]:
        return run_folder(config, model) / (INIT if form == INIT else "model")
    weights = Path(cnclip["models"][model]["weights"])
    return weights if weights.is_dir() else results(config) / "models" / model


def mobile_folder(config: Mapping[str, Any], name: str) -> Path:
    """The folder of a model's towers for phones and browsers."""
    return results(config) / "mobile" / name


def evaluation_folder(config: Mapping[str, Any], form: str, dataset: str) -> Path:
    """The folder of what is measured of a model, or a form of it, on a dataset."""
    return results(config) / "eval" / form / dataset


def features_folder(config: Mapping[str, Any], form: str, dataset: str, split: str) -> Path:
    """The folder of the features that a model gives of a split."""
    return evaluation_folder(config, form, dataset) / "features" / split


def feature_files(config: Mapping[str, Any], form: str, dataset: str, split: str) -> dict[str, str]:
    """The files of `features_folder`, by their stems; see `evaluation.feature_files`."""
    folder = features_folder(config, form, dataset, split)
    return {Path(name).stem: f"{folder}/{name}" for name in _FEATURE_FILES}


def zeroshot_root(config: Mapping[str, Any], name: str) -> Path:
    """The folder of a set of labelled pictures."""
    chosen = config["cnclip"]["zeroshot"][name]["root"]
    return demo_root(config) / "zeroshot" / "subjects" if chosen == DEMO else Path(chosen)


def zeroshot_files(config: Mapping[str, Any], form: str, name: str) -> dict[str, str]:
    """What is made of a model and a set of labelled pictures: `predictions` and `metrics`."""
    stem = results(config) / "zeroshot_predictions" / form / name
    return {"predictions": f"{stem}.json", "metrics": f"{stem}.metrics.json"}


def parallel_file(config: Mapping[str, Any], chosen: str) -> Path:
    """The captions in several languages that a run names with `parallel`."""
    return demo_root(config) / "parallel.jsonl" if chosen == DEMO else Path(chosen)
