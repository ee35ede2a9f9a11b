"""This machine under ONNX Runtime: measured in a process of its own."""
