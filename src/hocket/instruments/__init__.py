"""Instruments that watch a run: progress line, TensorBoard, Weights & Biases, the live page."""
