from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install flagpost[training]")
onnx = pytest.importorskip("onnx", reason="needs onnx: pip install flagpost[training]")
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install flagpost[training]")

from tests.training.test_mobileone import settled  # noqa: E402
from training.calibrate import Calibration  # noqa: E402
from training.errors import GateFailed  # noqa: E402
from training.evaluate import runtime_session, scorer_of  # noqa: E402
from training.export import check_graph, check_parity, deployed, onnx_from_classifier  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch.export's own
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    classifier = deployed(settled(), Calibration(0.1, -1.0))
    onnx_from_classifier(classifier, path)
    return classifier, path


def test_the_graph_takes_any_batch_of_uint8_frames_and_starts_with_a_cast(exported):
    _, path = exported
    graph = onnx.load(path).graph
    shape = graph.input[0].type.tensor_type.shape.dim

    assert graph.node[0].op_type == "Cast"
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert (shape[0].dim_param != "", [d.dim_value for d in shape[1:]]) == (True, [224, 224, 3])
    assert {n.op_type for n in graph.node} <= {
        *("Cast", "Transpose", "Mul", "Add", "Conv", "Relu", "ReduceMean", "Gemm")
    }


@pytest.mark.parametrize("batch", [1, 5])
def test_the_graph_gives_torch_s_logits_at_every_batch_size(exported, batch):
    classifier, path = exported
    frames = np.random.default_rng(0).integers(0, 256, (batch, 224, 224, 3), dtype=np.uint8)

    assert check_parity(classifier, path, frames) < 1e-3


def test_the_calibration_is_inside_the_graph(exported, tmp_path):
    _, path = exported
    frames = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    plain = deployed(settled(), Calibration())

    raw = plain(torch.from_numpy(frames)).numpy()[:, 0]

    np.testing.assert_allclose(scorer_of(runtime_session(path))(frames), 0.1 * raw - 1.0, atol=1e-3)


def test_another_net_s_logits_fail_the_gate(exported):
    _, path = exported
    frames = np.zeros((1, 224, 224, 3), dtype=np.uint8)

    with pytest.raises(GateFailed, match="differ from torch"):
        check_parity(deployed(settled(1), Calibration(1.0, 3.0)), path, frames)


def test_a_graph_that_resizes_inside_is_refused(exported, tmp_path):
    _, path = exported
    model = onnx.load(path)
    model.graph.node.append(onnx.helper.make_node("Shape", ["frames"], ["shape"]))
    onnx.save(model, tmp_path / "bad.onnx")

    with pytest.raises(GateFailed, match="Shape"):
        check_graph(tmp_path / "bad.onnx")
