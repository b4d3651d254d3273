"""What the training of every model shares: going on after a kill, logs, curves, processes.

`run_folder`, `progress_file`, `run_record`, `schedule` and `launch` are light; the others import torch or matplotlib.
"""
