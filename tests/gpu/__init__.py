"""What only a GPU can show: `make gpu`, `python -m tests.gpu`, or `pytest tests/gpu`.

`checks` needs av and numpy alone, `speaker_checks` numpy, PyYAML and torch (whole jobs more, see there), `pose_checks`
numpy, safetensors, torch and torchdiffeq, and all need nvidia-ml-py to know the GPUs: so they run in any CUDA
environment.
"""
