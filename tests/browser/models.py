"""Notebook cells that the browser tests run."""

SMALL = """
import torch
import talaria_widget as talaria

torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 128, 3),
    torch.nn.ReLU(),
    torch.nn.Conv2d(128, 128, 3),
    torch.nn.ReLU(),
    torch.nn.AdaptiveAvgPool2d(1),
    torch.nn.Flatten(),
    torch.nn.Linear(128, 1000),
).eval()
"""
SHOW = """
w = talaria.show(model, torch.randn(1, 3, 64, 64), device="apple-a17-pro-ane", recipe={})
w
"""
LAYERS = ("0", "2", "6")

# `PyDLL` keeps the interpreter's lock: no thread of the kernel runs, as while a C extension works.
DEAF = "import ctypes; _ = ctypes.PyDLL(None).sleep({seconds})"
ASLEEP = "import time; time.sleep({seconds})"

HOSTILE = """
import torch
import talaria_widget as talaria

NAME = "<img src=x onerror=hacked=1>"
model = torch.nn.Sequential()
model.add_module(NAME, torch.nn.Linear(64, 64))
model.add_module('"><script>hacked=1</script>', torch.nn.Linear(64, 64))
w = talaria.show(model, torch.randn(1, 64))
w
"""

MOBILE = """
import torch
from transformers import MobileNetV2Config, MobileNetV2ForImageClassification
import talaria_widget as talaria

torch.manual_seed(0)
model = MobileNetV2ForImageClassification(MobileNetV2Config(num_labels=1000)).eval()
"""
