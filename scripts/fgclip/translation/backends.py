"""Translators that fill the table where it has gaps: a Marian model in a local folder, or an HTTP service.

They only add lines, each at once, for somebody to review; lists are rewritten by the table alone.
"""

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.fgclip.translation.gate import MOST_WORDS, Gate
from scripts.fgclip.translation.table import append_row, plain, read_table
from scripts.shared.errors import ConfigError, JobError

Translator = Callable[[Sequence[str]], Iterator[str]]
URL, KEY, MODEL = "OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL"
TEMPERATURE = 0.2
TRIES, FIRST_WAIT_S, TIMEOUT_S = 5, 1.0, 60.0
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_BATCH, _MOST_NEW_TOKENS = 16, 64
_ORDER = (
    "Translate this caption of a surveillance video from Chinese into English: one sentence of at most "
    f"{MOST_WORDS} words. Answer with the sentence alone. Where the text ends with a colon, it names a kind of event: "
    "answer with its English name and a colon."
)


def fill_table(table: Path, texts: Sequence[str], translator: Translator) -> list[str]:
    """Add a line to the table for each text whose translation can be used.

    Args:
        table: the file; made where it is not there.
        texts: Chinese, as `Table.missing` gives them.
        translator: gives the English of texts, in their order.

    Returns:
        One line of words for each text whose translation cannot be used.
    """
    gate = Gate()
    used = {row.en.lower() for row in read_table(table).rows.values()} if table.exists() else set()
    refused = []
    for zh, answer in zip(texts, translator(texts), strict=True):
        en = plain(answer)
        if complaint := gate.complaint(en):
            refused.append(f"{zh}: {complaint}")
        elif en.lower() in used:
            refused.append(f"{zh}: another Chinese text has its English already: {en!r:.80}; add it by hand")
        else:
            append_row(table, zh, en)
            used.add(en.lower())
    return refused


def marian(folder: Path) -> Translator:
    """A Marian model such as opus-mt-zh-en, in a local folder of Hugging Face's layout.

    Raises:
        ConfigError: the folder is not there or not whole, or its package is missing.
    """
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{folder}: no Marian model (no config.json); name the folder of one, such as opus-mt-zh-en")
    try:
        import torch
        from transformers.models.marian.modeling_marian import MarianMTModel
        from transformers.models.marian.tokenization_marian import MarianTokenizer
    except ImportError as error:
        raise ConfigError(f"{folder}: a Marian model needs the package {error.name}; pip install it") from error
    try:
        tokenizer = MarianTokenizer.from_pretrained(folder, local_files_only=True)
        loaded: Any = MarianMTModel.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{folder}: no whole Marian model: {' '.join(str(error).split())[:200]}") from error
    model, about = loaded
    if about["missing_keys"]:
        raise ConfigError(f"{folder}: its weights lack {min(about['missing_keys'])!r}; copy the whole folder again")
    model.eval()

    def translate(texts: Sequence[str]) -> Iterator[str]:
        for first in range(0, len(texts), _BATCH):
            batch = tokenizer(list(texts[first : first + _BATCH]), return_tensors="pt", padding=True, truncation=True)
            with torch.inference_mode():
                tokens = model.generate(**batch, max_new_tokens=_MOST_NEW_TOKENS, num_beams=4, do_sample=False)
            yield from tokenizer.batch_decode(tokens, skip_special_tokens=True)

    return translate


def http_service(
    environment: Mapping[str, str] = os.environ, *, sleep: Callable[[float], None] = time.sleep
) -> Translator:
    """A service that speaks OpenAI's chat completions, named by the variables OPENAI_BASE_URL and OPENAI_MODEL.

    OPENAI_API_KEY is its key, where it wants one. Where it is busy or cannot be reached it is asked again, after waits
    that double.

    Args:
        environment: where the variables are set.
        sleep: waits.

    Raises:
        ConfigError: a variable is not set, or the address is no HTTP one.
    """
    missing = [name for name in (URL, MODEL) if not environment.get(name)]
    if missing:
        raise ConfigError(
            f"{missing[0]} is not set: {URL} is the service's address up to /v1, {MODEL} the model's name there"
        )
    address = environment[URL].rstrip("/") + "/chat/completions"
    if not address.startswith(("http://", "https://")):
        raise ConfigError(f"{URL}: {environment[URL]!r:.80} is no address; it begins with https:// or http://")
    headers = {"Content-Type": "application/json"}
    if key := environment.get(KEY):
        headers["Authorization"] = f"Bearer {key}"

    def translate(texts: Sequence[str]) -> Iterator[str]:
        for text in texts:
            messages = [{"role": "system", "content": _ORDER}, {"role": "user", "content": text}]
            body = {"model": environment[MODEL], "temperature": TEMPERATURE, "messages": messages}
            request = urllib.request.Request(address, json.dumps(body).encode(), headers)  # noqa: S310 (seen above)
            yield _answer(_ask(request, sleep), address)

    return translate


def _ask(request: urllib.request.Request, sleep: Callable[[float], None]) -> bytes:
    for attempt in range(TRIES):
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 (seen above)
                content: bytes = response.read()
                return content
        except urllib.error.HTTPError as error:
            if error.code not in _BUSY:
                raise JobError(
                    f"{request.full_url}: {error.code} {error.reason}; are {KEY} and {MODEL} right?"
                ) from error
            reason = f"{error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error))
        if attempt + 1 < TRIES:
            sleep(FIRST_WAIT_S * 2**attempt)
    raise JobError(f"{request.full_url}: {reason}, {TRIES} times; run again later: what was translated is in the table")


def _answer(content: bytes, address: str) -> str:
    try:
        said = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise JobError(f"{address}: its answer is no chat completion: {content[:100]!r}") from error
    return str(said)
