from scripts.cnclip.evaluation.published import published_rows


def test_a_published_set_is_found_in_any_spelling() -> None:
    rows = list(published_rows("Flickr30k-CN"))
    assert rows == list(published_rows("flickr30k_cn"))
    assert len(rows) == 20
    best = next(
        row for row in rows if (row["model"], row["direction"], row["seen"]) == ("ViT-B/16", "i2t", "fine-tuned")
    )
    assert (best["r1"], best["r5"], best["r10"], best["split"]) == (93.5, 99.0, 99.5, "test")
    assert "Results.md" in best["source"]


def test_muge_is_published_from_text_to_image_alone() -> None:
    assert {row["direction"] for row in published_rows("MUGE")} == {"t2i"}


def test_an_own_set_has_nothing_published() -> None:
    assert list(published_rows("muge_small")) == []
