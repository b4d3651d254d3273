"""The words that go with a packed model: what it is, what it measured, what it is not."""

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.cnclip.compression.export_file import Export
from scripts.cnclip.model_files.folder import ModelFacts

_DIRECTIONS = {"t2i": "text to image", "i2t": "image to text"}
_TEMPLATE = """# {name}

A Chinese CLIP model: pictures and Chinese texts as vectors of {dim} numbers in one space.
{parameters:,} parameters ({visual:,} for pictures), pictures of {size} x {size}, texts of up to {context} tokens.

- Origin of the weights: {source}
- Trained on: {trained_on}
- SHA-256 of `model.safetensors`: {sha256}

## Use
```python
from transformers import AutoProcessor, ChineseCLIPModel

model = ChineseCLIPModel.from_pretrained("{name}")
processor = AutoProcessor.from_pretrained("{name}")
```
Texts were in lower case with straight quotes in training. Pictures are squashed to a square, not cropped, as
`preprocessor_config.json` says. Vectors leave the model at any length: divide each by its own.

`onnx/` has the same model for ONNX Runtime, each half a file: input `image` float32 [batch, 3, {size}, {size}] or
`text` int64 [batch, {context}], filled up with 0; output `unnorm_image_features` or `unnorm_text_features`.

| form | MB | least cosine with torch, pictures | texts |
|---|---|---|---|
{forms}

The cosines are of made-up pictures and texts. INT8 quantises what it is given by the range of all of it: give it one
picture or text at a time where a result must not depend on the others.

## Measured
{measured}

## Limits
Scores hold for the data they name, and for no other. Like every such model it repeats what its training pairs say of
people and things; do not decide about people with it. The licences of the weights it began with and of its training
data hold for it too; this package grants none. `sha256sum -c SHA256SUMS` checks the files.
"""


def model_card(
    name: str, facts: ModelFacts, export: Export, metrics: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> str:
    """A model card in Markdown.

    Args:
        name: of the model.
        facts: of its folder.
        export: its forms.
        metrics: of `package.read_metrics`.
    """
    forms = [
        f"| {form} | {one.size_bytes / 1e6:.1f} | {one.differences['img']['least_cosine']:.6f} | "
        f"{one.differences['txt']['least_cosine']:.6f} |"
        for form, one in export.forms.items()
    ]
    return _TEMPLATE.format(
        name=name,
        dim=export.dim,
        parameters=export.parameters["all"],
        visual=export.parameters["img"],
        size=export.image_size,
        context=export.context_length,
        source=facts.source or "not stated",
        trained_on=", ".join(facts.trained_on) or "not stated",
        sha256=facts.weights_sha256,
        forms="\n".join(forms),
        measured="\n".join(_measured(facts, metrics)),
    )


def _measured(facts: ModelFacts, metrics: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    if not metrics:
        yield "Nothing was measured with this package."
        return
    yield "Recall in percent; chance is what a random order would reach at 1."
    yield ""
    yield "| data | form | direction | R@1 | R@5 | R@10 | chance | queries | |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for dataset, forms in sorted(metrics.items()):
        seen = "trained on" if dataset in facts.trained_on else "zero-shot" if facts.trained_on else ""
        for form, one in sorted(forms.items()):
            where = f"{dataset} {one['split']}"
            if one.get("refused"):
                yield f"| {where} | {form} | refused: {one['refused']} | | | | | | {seen} |"
            for direction, found in one["directions"].items():
                recall = " | ".join(f"{found['recall'][key]:.1f}" for key in ("r1", "r5", "r10"))
                yield (
                    f"| {where} | {form} | {_DIRECTIONS[direction]} | {recall} | {found['chance']['r1']:.2f} | "
                    f"{found['n_queries']:,} | {seen} |"
                )
