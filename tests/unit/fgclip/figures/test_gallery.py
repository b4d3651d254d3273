from scripts.fgclip.figures.gallery import Card, gallery_html


def test_pictures_and_videos_lie_in_the_page_itself() -> None:
    page = gallery_html([Card("a", "a (Abuse)", "best", b"RIFF", b"mp4")], title="t", notes=["n"])
    assert 'src="data:image/webp;base64,UklGRg=="' in page
    assert 'src="data:video/mp4;base64,bXA0"' in page
    assert "http" not in page


def test_what_comes_from_data_is_text_and_no_markup() -> None:
    page = gallery_html([Card("a", "<b>", "&", wrong="<script>")], title="<t>", notes=["<n>"])
    for text in ("<b>", "<script>", "<t>", "<n>"):
        assert text not in page
    assert "&lt;script&gt;" in page


def test_a_video_without_pictures_says_why_and_no_video_at_all_is_said() -> None:
    page = gallery_html([Card("a", "a", "best", wrong="no heat map: gone")], title="t", notes=[])
    assert "no heat map: gone" in page
    assert "<img" not in page
    assert "No video is shown." in gallery_html([], title="t", notes=[])
