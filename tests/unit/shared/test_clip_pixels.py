from scripts.shared.clip_pixels import preprocessor_json


def test_processor_of_a_folder_crops_nothing() -> None:
    said = preprocessor_json("CLIPImageProcessor", 224)
    assert said["do_center_crop"] is False
    assert said["size"] == {"height": 224, "width": 224}
