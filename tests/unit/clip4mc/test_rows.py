from scripts.clip4mc.rows import explain_moves, index_of, vid_of


def test_moves_are_explained_only_where_a_video_changed_its_place() -> None:
    assert "rows of 1 videos moved" in explain_moves(["sample_000001_a_b", "sample_000002_c"], ["sample_000000_a_b"])
    assert explain_moves(["sample_000001_a"], ["sample_000009_b"]) == ""


def test_a_key_gives_its_number_and_its_videos_id_back() -> None:
    assert (index_of("sample_000017_a_b-c"), vid_of("sample_000017_a_b-c")) == (17, "a_b-c")
    assert index_of("sample_1234567_x") == 1234567
