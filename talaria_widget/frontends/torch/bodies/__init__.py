"""Functions that hold code of their own: control flow, transforms, TorchScript."""
