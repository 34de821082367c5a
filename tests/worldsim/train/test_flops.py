import torch
from torch import nn

from worldsim.train.flops import PEAKS, count_flops, utilisation


def test_a_product_counts_two_operations_a_weight_and_its_gradient_twice_that():
    layer, x = nn.Linear(32, 16, bias=False), torch.randn(8, 32, requires_grad=True)
    assert count_flops(lambda: layer(x).sum()) == 3 * 2 * 8 * 32 * 16


def test_attention_and_convolutions_count_too():
    convolution, x = nn.Conv2d(3, 4, 3, padding=1), torch.randn(1, 3, 8, 8, requires_grad=True)
    assert count_flops(lambda: convolution(x).sum()) == 3 * 2 * 64 * 4 * 27
    q = torch.randn(1, 2, 16, 64, requires_grad=True)
    attend = nn.functional.scaled_dot_product_attention
    assert count_flops(lambda: attend(q, q, q).sum()) >= 3 * 2 * 2 * 2 * 16 * 16 * 64


def test_the_share_of_the_peak_is_told_where_the_peak_is_known(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200 NVL")
    found = utilisation(PEAKS["H200"], 4.0, torch.device("cuda"))
    assert found == {"tflops": PEAKS["H200"] / 4e12, "mfu": 0.25}
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "something new")
    assert utilisation(2e12, 1.0, torch.device("cuda")) == {"tflops": 2.0}
    assert utilisation(2e12, 1.0, torch.device("cpu")) == {"tflops": 2.0}
