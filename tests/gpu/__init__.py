"""What only a GPU can show: `make gpu`, `python -m tests.gpu`, or `pytest tests/gpu`.

`checks` needs av and numpy alone, and nvidia-ml-py to know the GPUs, so that it runs in any CUDA environment.
"""
