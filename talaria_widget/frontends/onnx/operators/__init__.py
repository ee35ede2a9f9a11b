"""The table of ONNX operators, and our attributes of them."""
