from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from schemas.bundles import OperatingPoint
from tests.training.takes import red_when_violent
from training.errors import GateFailed
from training.evaluate import logged, runtime_session, scorer_of
from training.int8_gate import judge
from training.quantize import Int8Plan, align_head, int8_from_onnx

POINT = OperatingPoint(
    median_of=3, open_threshold=0.5, close_threshold=0.3, max_gap_s=5, cooldown_s=5
)


def tiny_graph(path, gain=0.05):
    """Three convolutions, mean and a linear layer whose logit is redness."""
    rng = np.random.default_rng(0)
    kernels = [rng.normal(0, 0.02, shape).astype(np.float32) for shape in ((8, 3, 3, 3),)]
    kernels += [rng.normal(0, 0.02, (8, 8, 1, 1)).astype(np.float32) for _ in range(2)]
    kernels[0][0, 0, 1, 1], kernels[0][1, 1, 1, 1] = 1.0, 1.0
    for kernel in kernels[1:]:
        kernel[[0, 1], [0, 1]] = 1.0
    head = np.zeros((8, 1), dtype=np.float32)
    head[0], head[1] = gain * 255, -gain * 255
    arrays = {f"w{i}": k for i, k in enumerate(kernels)} | {
        "scale": np.array(1 / 255, dtype=np.float32),
        "head": head,
        "bias": np.array([-2.5], dtype=np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["frames"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["f"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["t", "scale"], ["x0"]),
    ]
    for i, pads in enumerate([[1, 1, 1, 1], [0] * 4, [0] * 4]):
        nodes += [
            helper.make_node(
                "Conv",
                [f"x{i}", f"w{i}"],
                [f"c{i}"],
                name=f"conv{i}",
                pads=pads,
                strides=[2, 2] if i == 0 else [1, 1],
            ),
            helper.make_node("Relu", [f"c{i}"], [f"x{i + 1}"]),
        ]
    nodes += [
        helper.make_node("GlobalAveragePool", ["x3"], ["p"]),
        helper.make_node("Flatten", ["p"], ["q"]),
        helper.make_node("Gemm", ["q", "head", "bias"], ["logit"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", 224, 224, 3])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(a, n) for n, a in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    tiny_graph(folder / "model.onnx")
    frames = np.random.default_rng(0).integers(0, 220, (16, 224, 224, 3), dtype=np.uint8)
    int8_from_onnx(folder / "model.onnx", frames, folder / "int8.onnx", Int8Plan("minmax"))
    return folder / "model.onnx", folder / "int8.onnx"


def test_int8_keeps_the_first_convolution_in_float_and_quantises_the_others_per_channel(graphs):
    graph = onnx.load(graphs[1]).graph
    made_by = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    sources = [[getattr(made_by.get(i), "op_type", "") for i in c.input[:2]] for c in convolutions]
    axes = [
        {a.name: a.i for a in made_by[c.input[1]].attribute}.get("axis") for c in convolutions[1:]
    ]

    assert "DequantizeLinear" not in sources[0]
    assert sources[1:] == [["DequantizeLinear", "DequantizeLinear"]] * 2
    assert axes == [0, 0]


def test_a_relu_goes_into_the_range_of_its_convolution_so_that_nothing_runs_between_them(graphs):
    graph = onnx.load(graphs[1]).graph
    relus = [node for node in graph.node if node.op_type == "Relu"]

    assert [node.input[0] for node in relus] == ["c0"], "only that of the float convolution stays"


def test_the_head_is_scaled_and_shifted_until_its_logits_agree_with_fp32(graphs, tmp_path):
    tiny_graph(tmp_path / "weaker.onnx", gain=0.04)
    frames = red_when_violent(side=224).frames[:12]

    scale, _ = align_head(graphs[0], tmp_path / "weaker.onnx", frames)

    expected, got = (
        scorer_of(runtime_session(path))(frames) for path in (graphs[0], tmp_path / "weaker.onnx")
    )
    assert scale == pytest.approx(1.25, rel=1e-3)
    assert got == pytest.approx(expected, abs=1e-3)


def test_a_graph_that_does_not_end_in_a_linear_layer_is_refused(graphs, tmp_path):
    model = onnx.load(graphs[0])
    model.graph.node[-1].output[0] = "raw"
    model.graph.node.append(helper.make_node("Identity", ["raw"], ["logit"]))
    onnx.save(model, tmp_path / "other.onnx")

    with pytest.raises(GateFailed, match="last node is Identity, expected a constant Gemm"):
        align_head(graphs[0], tmp_path / "other.onnx", red_when_violent(side=224).frames[:2])


def test_int8_logits_stay_close_to_those_of_fp32(graphs):
    frames = red_when_violent(side=224).frames[:12]

    fp32, int8 = (scorer_of(runtime_session(path))(frames) for path in graphs)

    assert np.abs(fp32 - int8).max() < 0.15


def test_the_gate_measures_loss_and_speed_on_both_engines(graphs):
    takes = logged([red_when_violent("a", seed=1)], scorer_of(runtime_session(graphs[0])), 4.0)

    verdict = judge(Int8Plan("minmax"), graphs, takes, POINT)

    assert verdict.auc_loss == 0.0
    assert verdict.recall == (1.0, 1.0)
    assert set(verdict.speedup) == {"ONNX Runtime", "OpenVINO"}
    assert "minmax calibration" in verdict.text()


def test_the_gate_refuses_a_graph_that_ranks_otherwise(graphs, tmp_path):
    tiny_graph(tmp_path / "inverted.onnx", gain=-0.05)
    takes = logged([red_when_violent("a", seed=1)], scorer_of(runtime_session(graphs[0])), 4.0)

    verdict = judge(Int8Plan("minmax"), (graphs[0], tmp_path / "inverted.onnx"), takes, POINT)

    assert any("AUC loss" in reason for reason in verdict.reasons)
    assert "does not pass" in verdict.text()
