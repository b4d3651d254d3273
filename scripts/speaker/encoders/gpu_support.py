"""Which runtimes can use a GPU here, by what is installed. Light: planning asks it too, so nothing is imported."""

from scripts.shared.job_gpu import why_no_gpu_for_torch
from scripts.shared.packages import installed_version
from scripts.speaker.encoders.model_folder import PACKAGED

_ONNX_FOR_GPUS = "onnxruntime-gpu"


def why_not_on_gpu(runtime: str) -> str:
    """Why a runtime cannot compute on a GPU, by what is installed here; empty where it can.

    Args:
        runtime: one of `model_folder.RUNTIMES`.
    """
    if runtime in PACKAGED:
        return f"the model of runtime {runtime} is small and takes one recording at a time"
    if runtime == "onnx":
        if not installed_version(_ONNX_FOR_GPUS):
            return f"this ONNX Runtime is the one for CPUs ({_ONNX_FOR_GPUS} in its place uses GPUs)"
        return ""
    return why_no_gpu_for_torch()
