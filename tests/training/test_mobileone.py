from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install flagpost[training]")

from training.mobileone import FusedMobileOne, MergedConv, MobileOneS0  # noqa: E402


def settled(seed: int = 0):
    """A random net whose norms have seen pictures: without that, activations explode."""
    torch.manual_seed(seed)
    net = MobileOneS0().train()
    with torch.no_grad():
        for _ in range(8):
            net(torch.randn(4, 3, 64, 64))
    return net.eval()


def branch_by_branch(conv: MergedConv, x):
    """The block as published: branches of feature maps, added up, then the norm."""
    y = torch.nn.functional.conv2d(x, conv.weight, None, conv.stride, conv.padding, 1, conv.groups)
    if conv.skip is not None:
        y = y + x * conv.skip.view(1, -1, 1, 1)
    return torch.relu(conv.norm(y))


@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "stride", "depthwise"),
    [(8, 8, 3, 1, True), (8, 8, 3, 2, True), (8, 8, 1, 1, False), (8, 16, 1, 1, False)],
)
@pytest.mark.parametrize("training", [True, False])
def test_merged_kernels_give_what_branches_of_maps_give(
    inputs, outputs, kernel, stride, depthwise, training
):
    torch.manual_seed(0)
    conv = MergedConv(inputs, outputs, kernel, stride, depthwise)
    if conv.skip is not None:
        torch.nn.init.normal_(conv.skip)
    x = torch.randn(4, inputs, 10, 10)
    conv(x)
    conv.train(training)

    torch.testing.assert_close(conv(x), branch_by_branch(conv, x), atol=1e-4, rtol=1e-4)


def test_the_fused_net_gives_the_logits_of_the_branched_one():
    net = settled()
    x = torch.randn(3, 3, 96, 96)

    with torch.no_grad():
        torch.testing.assert_close(FusedMobileOne(net)(x), net(x), atol=1e-3, rtol=1e-3)


def test_the_deployed_net_has_the_size_of_mobileone_s0():
    parameters = sum(p.numel() for p in FusedMobileOne(settled()).parameters())

    assert 1.04e6 < parameters < 1.08e6
