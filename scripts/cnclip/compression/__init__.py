"""Smaller and faster forms of a trained model: pruning, ONNX, FP16, INT8, TensorRT, and packages of them."""
