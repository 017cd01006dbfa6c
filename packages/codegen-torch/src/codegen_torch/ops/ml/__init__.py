"""The operators of ai.onnx.ml: features, labels, linear models, support vectors, trees."""

from codegen_torch.ops.ml import ensembles, features, labels, linear, maps, svm

__all__ = ["ensembles", "features", "labels", "linear", "maps", "svm"]
