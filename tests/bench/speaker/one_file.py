"""The baseline: one recording in a process of its own, as scripts of the field do it. Little of ours is imported.

    python one_file.py onnx MODEL.onnx RECORDING OUT
    python one_file.py torch MODEL_DIR RECORDING OUT

Features by kaldi-native-fbank, which is quicker to import than the torchaudio of the field; the torch way takes our
net, since the field's package imports torchaudio too. Both flatter the baseline.
"""

import pickle
import sys
from pathlib import Path

import kaldi_native_fbank
import numpy as np
import soundfile


def features(recording: str) -> np.ndarray:
    """Filter banks (T, 80) float32, as WeSpeaker takes them."""
    samples, rate = soundfile.read(recording, dtype="float32")
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.samp_freq = rate
    options.frame_opts.window_type = "hamming"
    options.mel_opts.num_bins = 80
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(rate, (samples * 32768).tolist())
    bank.input_finished()
    frames = np.stack([bank.get_frame(number) for number in range(bank.num_frames_ready)])
    return frames - frames.mean(axis=0)


def embed_onnx(model: str, feats: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    embedding: np.ndarray = session.run(None, {"feats": feats[None]})[0][0]
    return embedding


def embed_torch(model: str, feats: np.ndarray) -> np.ndarray:
    import torch

    sys.path.insert(0, str(Path(__file__).parents[3]))
    from scripts.speaker.encoders.native import load_net

    torch.set_num_threads(1)
    with torch.inference_mode():
        given = load_net(Path(model))(torch.from_numpy(feats)[None])
    embedding: np.ndarray = (given[-1] if isinstance(given, tuple) else given)[0].numpy()
    return embedding


if __name__ == "__main__":
    way, model, recording, out = sys.argv[1:]
    embedding = {"onnx": embed_onnx, "torch": embed_torch}[way](model, features(recording))
    Path(out).write_bytes(pickle.dumps({"embedding": embedding, "relative_path": recording}))
