"""Every estimator by the name that `method=` and the command line take."""

from __future__ import annotations

from typing import Any

from sklearn.base import RegressorMixin, is_regressor

from fewlabels import methods, recipes
from fewlabels.classical import registry
from fewlabels.data.labels import Task
from fewlabels.deep import DeepClassifier, DeepRegressor
from fewlabels.errors import OptionError
from fewlabels.method import Method
from fewlabels.noisy_student import NoisyStudent
from fewlabels.segmenter import DeepSegmenter

# Estimators of their own; every recipe of `methods.NAMES` is a name for one of these three.
DEEP: dict[str, Any] = {"classes": DeepClassifier, "numbers": DeepRegressor, "masks": DeepSegmenter}
NAMES: dict[str, Any] = registry.NAMES | {"noisy_student": NoisyStudent}


def learns(name: str) -> tuple[str, ...]:
    """The tasks that a method learns."""
    if name in methods.NAMES:
        recipe: type[Method] = methods.NAMES[name]
        return recipe.tasks
    return ("numbers",) if issubclass(NAMES[name], RegressorMixin) else ("classes",)


def task_of(model: Any) -> Task:
    """The task of an estimator."""
    return "numbers" if is_regressor(model) else "masks" if isinstance(model, DeepSegmenter) else "classes"


def make(method: str | Method, task: str, **options: Any) -> Any:
    """An unfitted estimator for a name or a recipe.

    Raises
    ------
    OptionError : no such name, or a method that does not learn the task
    """
    if isinstance(method, str) and method in NAMES:
        estimator = NAMES[method]()
        if task not in learns(method):
            raise OptionError(f"{method} learns {learns(method)[0]}, not {task}. {methods_for(task)}")
        return estimator.set_params(**options)
    recipe = recipes.as_method(method)
    recipes.check_task(recipe, task)
    return DEEP[task](recipe, **options)


def methods_for(task: str) -> str:
    """What to try instead of a method that does not learn the task."""
    return f"Methods that do: {', '.join(name for name in [*methods.NAMES, *NAMES] if task in learns(name))}."


def name_of(model: Any) -> str:
    """The name of an estimator's method as `method=` takes it."""
    for name, cls in NAMES.items():
        if type(model) is cls:
            return name
    method = model.get_params(deep=False).get("method")
    return type(model).__name__ if method is None else recipes.method_name(method)
