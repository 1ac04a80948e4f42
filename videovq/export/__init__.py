"""The learned world as graphs that run without videovq: ``torch.export`` and ONNX."""
