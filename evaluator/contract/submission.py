"""The submission contract: the function's name, its four parameters and the extra ones that are bound by name."""

FUNCTION = "unlearning"
PARAMETERS = ("net", "retain", "forget", "validation")
EXTRA_PARAMETERS = ("device", "class_weights", "seed", "param_names")
NOTEBOOK_SUFFIX = ".ipynb"
FILENAME = "submission.py"
