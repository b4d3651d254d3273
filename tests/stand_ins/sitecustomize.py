"""Loaded by every Python that finds this folder on its path: POLYMILL_SOFT_CARD gives it a GPU's decoder."""

import os

if os.environ.get("POLYMILL_SOFT_CARD"):
    from scripts.shared.video import nvdec
    from tests.soft_card import soft_context

    nvdec.hardware_context = soft_context
