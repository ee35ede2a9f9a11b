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

# Cells that run until the test lets them go on: a file of this name appears beside the notebook.
GO = "go-on"
# `PyDLL` keeps the interpreter's lock: no thread of the kernel runs, as while a C extension works.
DEAF = f"""
import ctypes
wait = "i=0; while [ ! -e {GO} ] && [ $i -lt 1200 ]; do sleep 0.05; i=$((i+1)); done"
_ = ctypes.PyDLL(None).system(wait.encode())
"""
ASLEEP = f"""
import pathlib, time
end = time.monotonic() + 60
while not pathlib.Path("{GO}").exists() and time.monotonic() < end:
    time.sleep(0.05)
"""
MARKING = f"""
import pathlib, time
end = time.monotonic() + 60
while not pathlib.Path("{GO}").exists() and time.monotonic() < end:
    w.mark("0", talaria.Quantize(8))
    time.sleep(0.05)
    w.mark("0", None)
    time.sleep(0.05)
w.mark("0", talaria.Quantize(8))
"""

# Three equal layers, and an operation that only its author can count.
REPEATED = """
import torch
import talaria_widget as talaria

@torch.library.custom_op("mine::gate", mutates_args=())
def gate(x: torch.Tensor) -> torch.Tensor:
    return x * 2

gate.register_fake(torch.empty_like)

class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = torch.nn.Linear(64, 256), torch.nn.Linear(256, 64)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(x)))

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(Layer() for _ in range(3))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return gate(x)

model = Net().eval()
w = talaria.show(model, torch.randn(1, 64), device="apple-a17-pro-ane", recipe={})
w
"""

HOSTILE = """
import torch
import talaria_widget as talaria

NAME = "<img src=x onerror=hacked=1>"
model = torch.nn.Sequential()
model.add_module(NAME, torch.nn.Linear(64, 64))
model.add_module('"><script>hacked=1</script>', torch.nn.Linear(64, 64))
w = talaria.show(model, torch.randn(1, 64), device="cpu-avx2")
w
"""

MOBILE = """
import torch
from transformers import MobileNetV2Config, MobileNetV2ForImageClassification
import talaria_widget as talaria

torch.manual_seed(0)
model = MobileNetV2ForImageClassification(MobileNetV2Config(num_labels=1000)).eval()
"""
