"""A form's heat maps as one page that opens anywhere: pictures and videos are in the file itself."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
body { font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #20262b; background: #f4f5f6; margin: 0; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 16px; }
h1 { font-size: 24px; margin: 0 0 8px; }
h2 { font-size: 18px; margin: 0 0 8px; overflow-wrap: anywhere; }
p { margin: 0 0 12px; max-width: 80ch; }
nav a { margin-right: 12px; white-space: nowrap; }
section { background: white; border: 1px solid #d9dde0; border-radius: 6px; padding: 16px; margin: 16px 0; }
img, video { max-width: 100%; display: block; margin: 8px 0; }
video { background: black; }
.why { color: #667078; font-weight: normal; }
.wrong { color: #c0492f; }
"""
_READING = (
    "The colour on a frame is the margin of each place: how much more it is like a sentence of the anomalies than like "
    "the normal ones. Its range is that of one video, so that the colours of two videos do not compare. Frames with a "
    "red edge lie in an annotated anomaly; boxes are annotated ones. The triangles under a curve are the frames shown: "
    "of equal stretches of the video the one with the highest score, or the middle of an anomaly that lies there."
)


@dataclass(frozen=True)
class Card:
    """One video of the page.

    Attributes:
        key: of the video, which may name a part of a page.
        heading: the video in a line.
        why: why it is shown.
        picture: WebP; empty where there is none.
        overlay: MP4; likewise.
        wrong: why there are no pictures of it; empty where there are.
    """

    key: str
    heading: str
    why: str
    picture: bytes = b""
    overlay: bytes = b""
    wrong: str = ""


def gallery_html(cards: Sequence[Card], *, title: str, notes: Sequence[str]) -> str:
    """Write the page.

    Args:
        cards: the videos, in the order of the page.
        title: of the page.
        notes: lines below it.
    """
    links = "\n".join(f'<a href="#{escape(card.key)}">{escape(card.key)}</a>' for card in cards)
    lines = "\n".join(f"<p>{escape(note)}</p>" for note in (*notes, _READING))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{lines}
<nav>
{links}
</nav>
{"".join(_section(card) for card in cards) or "<p>No video is shown.</p>"}
</main>
</body>
</html>
"""


def _section(card: Card) -> str:
    parts = [f'<h2>{escape(card.heading)} <span class="why">{escape(card.why)}</span></h2>']
    if card.wrong:
        parts.append(f'<p class="wrong">{escape(card.wrong)}</p>')
    if card.picture:
        parts.append(f'<img src="{_inline("image/webp", card.picture)}" alt="heat maps of {escape(card.key)}">')
    if card.overlay:
        parts.append(f'<video controls muted loop playsinline src="{_inline("video/mp4", card.overlay)}"></video>')
    return f'<section id="{escape(card.key)}">\n' + "\n".join(parts) + "\n</section>\n"


def _inline(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"
