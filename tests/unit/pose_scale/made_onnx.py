"""Writes yolox_tiny.onnx and points_tiny.onnx beside this file: DWPose's two networks as far as their inputs and outputs go, with known answers.

    python tests/unit/pose_scale/made_onnx.py     (needs the package onnx, which nothing else here does)

The detector takes (1, 3, 64, 64) and gives (1, 84, 85), zeros but for two cells. They are a person and another thing, as sure as the middle
pixel is blue, the first channel of BGR. The points network takes (n, 3, 48, 36) and gives SimCC's distributions (n, 133, 72) and
(n, 133, 96): for every point those of the picture's red, the first channel of RGB, brought to 0..1 by the mean and deviation of ImageNet.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent
CELL = 3 * 8 + 4  # of the 8 x 8 grid of stride 8: column 4, row 3


def constant(name, values, kind):
    return numpy_helper.from_array(np.array(values, kind), name)


def save(name, nodes, inputs, outputs, constants):
    graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info(*one) for one in inputs],
                              [helper.make_tensor_value_info(*one) for one in outputs], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, FOLDER / name)


def detector():
    # (cell, channel) -> value: a box in the middle of its cell, exp(1) and exp(1.5) strides wide and high; a person's class, or the next one's
    fixed = {(CELL, 0): 0.5, (CELL, 1): 0.5, (CELL, 2): 1.0, (CELL, 3): 1.5, (CELL, 5): 0.9,
             (0, 0): 0.5, (0, 1): 0.5, (0, 2): 1.0, (0, 3): 1.5, (0, 6): 0.9}
    save("yolox_tiny.onnx", [
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ScatterND", ["zeros", "places", "values"], ["fixed"]),
        helper.make_node("GatherND", ["picture", "middle"], ["blue"]),
        helper.make_node("Div", ["blue", "white"], ["sure"]),
        helper.make_node("ScatterND", ["fixed", "objects", "sure"], ["output"])],
        [("picture", TensorProto.FLOAT, [1, 3, 64, 64])], [("output", TensorProto.FLOAT, [1, 84, 85])],
        [constant("shape", [1, 84, 85], np.int64), constant("places", [[0, *place] for place in fixed], np.int64),
         constant("values", list(fixed.values()), np.float32), constant("middle", [[0, 0, 32, 32]] * 2, np.int64),
         constant("white", 255, np.float32), constant("objects", [[0, CELL, 4], [0, 0, 4]], np.int64)])


def points():
    save("points_tiny.onnx", [
        helper.make_node("Slice", ["picture", "zero", "one", "axis"], ["channel"]),
        helper.make_node("Mul", ["channel", "deviation"], ["scaled"]),
        helper.make_node("Add", ["scaled", "mean"], ["red"]),
        helper.make_node("ReduceMax", ["red"], ["columns"], axes=[2], keepdims=0),
        helper.make_node("ReduceMax", ["red"], ["rows"], axes=[3], keepdims=0),
        helper.make_node("Resize", ["columns", "", "doubled"], ["fine_columns"], mode="nearest", coordinate_transformation_mode="asymmetric",
                         nearest_mode="floor"),
        helper.make_node("Resize", ["rows", "", "doubled"], ["fine_rows"], mode="nearest", coordinate_transformation_mode="asymmetric",
                         nearest_mode="floor"),
        helper.make_node("Mul", ["fine_columns", "weights"], ["simcc_x"]),
        helper.make_node("Mul", ["fine_rows", "weights"], ["simcc_y"])],
        [("picture", TensorProto.FLOAT, ["n", 3, 48, 36])],
        [("simcc_x", TensorProto.FLOAT, ["n", 133, 72]), ("simcc_y", TensorProto.FLOAT, ["n", 133, 96])],
        [constant("zero", [0], np.int64), constant("one", [1], np.int64), constant("axis", [1], np.int64),
         constant("deviation", 58.395 / 255, np.float32), constant("mean", 123.675 / 255, np.float32), constant("doubled", [1, 1, 2], np.float32),
         constant("weights", np.where(np.arange(133) == 7, 0.25, 1.0).reshape(1, 133, 1), np.float32)])


if __name__ == "__main__":
    detector()
    points()
