"""How CLIP takes pictures: squashed to a square, less the mean of its training pictures, over their deviation.

Source: CLIP (Radford et al. 2021, arXiv:2103.00020) as released; Chinese CLIP takes the same.
"""

from typing import Any

MEAN = (0.48145466, 0.4578275, 0.40821073)  # of red, green and blue, of pictures from 0 to 1
STD = (0.26862954, 0.26130258, 0.27577711)


def preprocessor_json(processor: str, image_size: int) -> dict[str, Any]:
    """What `preprocessor_config.json` says: squash a picture to a square, as the training here does.

    The processors' own defaults scale the shorter edge and crop the rest away.

    Args:
        processor: class of transformers.
        image_size: edge of the square in pixels.
    """
    return {
        "image_processor_type": processor,
        "do_resize": True,
        "size": {"height": image_size, "width": image_size},
        "resample": 3,  # bicubic
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
        "do_convert_rgb": True,
    }
