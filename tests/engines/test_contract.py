"""One suite for every backend: what `engines/engine.py` promises, whoever computes it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from engines.bundle import bundle_from_directory
from engines.errors import EngineFault, EngineRejected, EngineUnavailable
from engines.opening import BACKENDS, open_engine
from tests.bundles import reference_logit, tiny_model
from tests.engines.quantised import int8_model, replace_model, write_two_precisions

MAX_BATCH = 5
CASES = [
    ("onnxruntime", "fp32"),
    ("onnxruntime", "int8"),
    ("openvino", "fp32"),
    ("openvino", "int8"),
]
NO_GPU = pytest.mark.skip(reason="TensorRT: the backend is not in this version")
TOLERANCE = {"fp32": 1e-3, "int8": 1e-3}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_two_precisions(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(
    params=[*CASES, pytest.param(("tensorrt", "fp16"), marks=NO_GPU)],
    ids=lambda case: "-".join(case),
)
def engine(request, directory):
    backend, precision = request.param
    bundle = bundle_from_directory(directory)
    opened = open_engine(bundle, backend, precision, max_batch=MAX_BATCH, slots=2)
    yield opened
    opened.close()


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture
def altered(tmp_path):
    """A bundle of its own, for tests that break it."""
    return write_two_precisions(tmp_path / "bundle")


def pictures(n, seed=0):
    """Smooth random colours: uniform noise would give every picture the same mean."""
    random = np.random.default_rng(seed)
    colours = random.integers(0, 256, (n, 1, 1, 3))
    noise = random.integers(-20, 21, (n, 224, 224, 3))
    return np.clip(colours + noise, 0, 255).astype(np.uint8)


def infer(engine, frames):
    slot = engine.slot()
    slot.frames[: len(frames)] = frames
    engine.submit(slot, len(frames))
    return engine.collect(slot)


def assert_reference(engine, frames, logits):
    expected = [reference_logit(frame) for frame in frames]
    assert logits.dtype == np.float32
    assert logits.shape == (len(frames),)
    np.testing.assert_allclose(logits, expected, atol=TOLERANCE[engine.spec.precision])


@pytest.mark.parametrize("n", range(1, MAX_BATCH + 1))
def test_every_batch_size_gives_the_reference_logits_in_order(engine, n):
    frames = pictures(n)
    assert_reference(engine, frames, infer(engine, frames))


def test_rows_beyond_n_are_old_and_change_nothing(engine):
    infer(engine, pictures(MAX_BATCH, seed=1))
    infer(engine, pictures(MAX_BATCH, seed=2))
    frames = pictures(3, seed=3)
    assert_reference(engine, frames, infer(engine, frames))


def test_slots_in_flight_together_keep_their_own_frames(engine):
    batches = [pictures(n, seed=n) for n in (5, 2)]
    slots = [engine.slot() for _ in batches]
    for slot, frames in zip(slots, batches, strict=True):
        slot.frames[: len(frames)] = frames
        engine.submit(slot, len(frames))
    for slot, frames in reversed(list(zip(slots, batches, strict=True))):
        assert_reference(engine, frames, engine.collect(slot))


def test_logits_stay_as_they_are_when_their_slot_is_used_again(engine):
    first = infer(engine, pictures(2, seed=4))
    kept = first.copy()
    for seed in range(5, 8):
        infer(engine, pictures(2, seed=seed))
    np.testing.assert_array_equal(first, kept)


def test_more_slots_than_there_are_is_a_fault_and_collecting_frees_one(engine):
    slots = [engine.slot() for _ in range(engine.spec.slots)]
    with pytest.raises(EngineFault, match="in flight"):
        engine.slot()
    engine.submit(slots[0], 1)
    engine.collect(slots[0])
    assert engine.slot() is slots[0]


@pytest.mark.parametrize("n", [0, -1, MAX_BATCH + 1])
def test_a_batch_outside_the_slot_is_a_fault(engine, n):
    with pytest.raises(EngineFault, match=f"got {n} frames, expected 1 to {MAX_BATCH}"):
        engine.submit(engine.slot(), n)


def test_a_slot_that_was_freed_or_never_submitted_cannot_be_collected(engine):
    slot = engine.slot()
    with pytest.raises(EngineFault, match="nothing was submitted"):
        engine.collect(slot)
    engine.submit(slot, 1)
    engine.collect(slot)
    with pytest.raises(EngineFault, match="not one that this engine has handed out"):
        engine.collect(slot)


def test_the_spec_says_what_was_opened(engine):
    spec = engine.spec
    assert (spec.width, spec.height, spec.max_batch, spec.slots) == (224, 224, MAX_BATCH, 2)
    assert spec.device == "cpu"
    assert infer(engine, pictures(1)).shape == (1,)
    slot = engine.slot()
    assert slot.frames.shape == (MAX_BATCH, 224, 224, 3)
    assert slot.frames.dtype == np.uint8


def test_several_threads_compute_the_same(backend, directory):
    engine = open_engine(bundle_from_directory(directory), backend, max_batch=4, threads=2)
    frames = pictures(4)
    assert_reference(engine, frames, infer(engine, frames))
    engine.close()


def test_a_model_altered_by_one_byte_is_refused(backend, altered):
    path = altered / "model.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(EngineRejected, match="SHA-256"):
        open_engine(bundle_from_directory(altered), backend)


def test_a_truncated_model_is_refused_even_where_the_card_names_its_digest(backend, altered):
    replace_model(altered, tiny_model()[:200])
    with pytest.raises(EngineRejected, match="refuses the model"):
        open_engine(bundle_from_directory(altered), backend)


def test_a_model_of_another_geometry_is_refused(backend, altered):
    replace_model(altered, tiny_model(width=64, height=64))
    with pytest.raises(EngineRejected, match=r"got input .*64.*expected"):
        open_engine(bundle_from_directory(altered), backend)


def test_a_model_that_computes_something_else_fails_its_self_check(backend, altered):
    model = onnx.load_from_string(tiny_model())
    bias = next(c for c in model.graph.initializer if c.name == "bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.array([1.0], np.float32), "bias"))
    replace_model(altered, model.SerializeToString())
    with pytest.raises(EngineRejected, match=r"self-check on calm\.png: got logit"):
        open_engine(bundle_from_directory(altered), backend)


def test_a_model_that_lets_rows_of_a_batch_mix_fails_its_self_check(backend, altered):
    replace_model(altered, mixing_model())
    with pytest.raises(EngineRejected, match="self-check on a batch of 4"):
        open_engine(bundle_from_directory(altered), backend, max_batch=4)


def test_a_model_with_two_outputs_a_frame_fails_its_self_check(backend, altered):
    replace_model(altered, doubled_model())
    with pytest.raises(EngineRejected, match="got 2 outputs, expected one logit"):
        open_engine(bundle_from_directory(altered), backend)


def test_a_precision_that_the_bundle_has_no_file_for_is_refused(backend, altered):
    card = bundle_from_directory(altered).card
    (altered / "bundle.json").write_text(
        card.model_copy(update={"files": card.files[:1]}).model_dump_json()
    )
    with pytest.raises(EngineRejected, match="no int8 onnx file, it holds fp32 onnx"):
        open_engine(bundle_from_directory(altered), backend, "int8")


@pytest.mark.parametrize("precision", ["fp16", "fp64"])
def test_a_precision_that_the_backend_cannot_run_is_not_replaced_by_another(
    backend, directory, precision
):
    with pytest.raises(EngineUnavailable, match=f"got precision '{precision}'"):
        open_engine(bundle_from_directory(directory), backend, precision)


def test_a_device_that_the_backend_does_not_have_is_not_replaced_by_the_cpu(backend, directory):
    with pytest.raises(EngineUnavailable, match="got device 'cuda:0', expected cpu"):
        open_engine(bundle_from_directory(directory), backend, device="cuda:0")


def test_openvino_refuses_a_float_file_that_is_called_int8(altered):
    card = bundle_from_directory(altered).card
    as_int8 = card.files[0].model_copy(update={"precision": "int8"})
    (altered / "bundle.json").write_text(
        card.model_copy(update={"files": (as_int8,)}).model_dump_json()
    )
    with pytest.raises(EngineRejected, match="asked for int8, the model's layers run in f32"):
        open_engine(bundle_from_directory(altered), "openvino", "int8")


def test_onnxruntime_has_no_bf16_on_a_cpu_and_says_so(directory):
    with pytest.raises(EngineUnavailable, match="got precision 'bf16'"):
        open_engine(bundle_from_directory(directory), "onnxruntime", "bf16")


def test_openvino_runs_bf16_where_the_cpu_has_it_and_refuses_elsewhere(directory):
    bundle = bundle_from_directory(directory)
    if "bf16" not in cpu_precisions():
        with pytest.raises(EngineUnavailable, match="no bf16"):
            open_engine(bundle, "openvino", "bf16")
        return
    engine = open_engine(bundle, "openvino", "bf16")
    assert engine.spec.precision == "bf16"
    frames = pictures(1)
    assert infer(engine, frames)[0] == pytest.approx(reference_logit(frames[0]), rel=0.02, abs=0.1)


def test_a_backend_that_is_not_here_says_why(directory):
    bundle = bundle_from_directory(directory)
    with pytest.raises(EngineUnavailable, match="tensorrt: the TensorRT backend"):
        open_engine(bundle, "tensorrt", "fp16", "cuda:0")
    with pytest.raises(EngineUnavailable, match="got 'torch', expected one of"):
        open_engine(bundle, "torch")


def cpu_precisions():
    import openvino

    return {
        name.lower() for name in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    }


def mixing_model():
    """Adds the spread of the batch's logits to each: right for one row, wrong for several."""
    model = onnx.load_from_string(tiny_model())
    model.graph.node[-1].output[0] = "own"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0], np.int64), "first"))
    model.graph.node.extend(
        [
            helper.make_node("ReduceMean", ["own", "first"], ["average"], keepdims=1),
            helper.make_node("Identity", ["own"], ["copy"]),
            helper.make_node("Sub", ["copy", "average"], ["apart"]),
            helper.make_node("Add", ["own", "apart"], ["logit"]),
        ]
    )
    return model.SerializeToString()


def doubled_model():
    model = onnx.load_from_string(tiny_model())
    model.graph.node[-1].output[0] = "own"
    model.graph.node.append(helper.make_node("Concat", ["own", "own"], ["logit"], axis=1))
    del model.graph.output[:]
    model.graph.output.append(
        helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch", 2])
    )
    return model.SerializeToString()


def test_the_int8_model_of_these_tests_is_quantised():
    kinds = {node.op_type for node in onnx.load_from_string(int8_model()).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
