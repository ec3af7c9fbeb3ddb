"""Recipes by name, as plain dictionaries and option by option. One closed registry: no name is ever imported."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, cast

from fewlabels import adapt, augment, methods, parts
from fewlabels.errors import OptionError, nearest
from fewlabels.method import Method

REGISTRY: dict[str, type[Any]] = {cls.__name__: cls for cls in methods.NAMES.values()} | {
    name: cls
    for module in (parts, augment, adapt)
    for name in module.__all__
    if dataclasses.is_dataclass(cls := getattr(module, name)) and isinstance(cls, type)
}


def default_method(task: str) -> str:
    """The method tried when none is named."""
    return "fixmatch" if task == "classes" else "mean_teacher"


def check_task(method: Method, task: str) -> None:
    """Refuse a method that does not learn the task."""
    from fewlabels.estimators import methods_for  # which knows the recipes, and is above them

    if task not in method.tasks:
        *most, last = method.tasks
        learns = f"{', '.join(most)} and {last}" if most else last
        raise OptionError(f"{method_name(method)} learns {learns}, not {task}. {methods_for(task)}")


def as_method(method: Any) -> Method:
    """A name or a recipe -> a recipe."""
    if not isinstance(method, str):
        if isinstance(method, type) or getattr(method, "tasks", None) is None:
            raise OptionError(
                f"method={method!r}; expected a name or a recipe such as fl.methods.FixMatch(lambda_u=2)."
            )
        return cast(Method, method)
    if method not in methods.NAMES:
        from fewlabels.estimators import NAMES

        if method in NAMES:
            made = f"fl.{NAMES[method].__name__}()"
            raise OptionError(f"method={method!r} is an estimator of its own: use {made}, or fl.compare with its name.")
        raise OptionError(f"method={method!r} is not known.{nearest(method, [*methods.NAMES, *NAMES])}")
    recipe: Method = methods.NAMES[method]()
    return recipe


def method_name(method: str | Method) -> str:
    """The name of a method, however it was given."""
    recipe = as_method(method)
    return next((name for name, cls in methods.NAMES.items() if type(recipe) is cls), type(recipe).__name__)


def is_known(recipe: Any) -> bool:
    """Whether a recipe and all its parts are in the registry and hold plain values, so that a file can hold it."""
    if REGISTRY.get(type(recipe).__name__) is not type(recipe):
        return False
    values = vars(recipe).values()
    return all(is_known(v) if dataclasses.is_dataclass(v) else not callable(v) for v in values)


def to_dict(recipe: Any) -> dict[str, Any]:
    """A recipe and the parts it holds as plain values; `recipe` is the class's name."""
    fields = {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe)}
    return {"recipe": type(recipe).__name__} | {
        name: to_dict(value) if dataclasses.is_dataclass(value) else value for name, value in fields.items()
    }


def from_dict(plain: dict[str, Any]) -> Any:
    """The inverse of `to_dict`. Unknown class names are refused."""
    name = plain.get("recipe")
    if name not in REGISTRY:
        raise OptionError(f"recipe {name!r} is not known.{nearest(str(name), REGISTRY)}")
    cls = REGISTRY[name]
    known = {f.name for f in dataclasses.fields(cls)}
    values = {key: value for key, value in plain.items() if key != "recipe"}
    for key in values:
        if key not in known:
            raise OptionError(f"{name} has no option {key!r}.{nearest(key, known)}")
    return cls(**{key: _plain_to_value(value) for key, value in values.items()})


def _plain_to_value(value: Any) -> Any:
    if isinstance(value, dict):
        return from_dict(value)
    return tuple(value) if isinstance(value, list) else value


def set_option(recipe: Any, path: str, text: str) -> Any:
    """A copy of `recipe` with the option at `path` ("weight.tau") read from `text` ("0.9").

    A part is chosen by its class's name: `set_option(FixMatch(), "weight", "PerClass")`.
    """
    name, _, rest = path.partition(".")
    known = [f.name for f in dataclasses.fields(recipe)]
    if name not in known:
        raise OptionError(f"{type(recipe).__name__} has no option {name!r}.{nearest(name, known)}")
    old = getattr(recipe, name)
    if rest:
        if not dataclasses.is_dataclass(old):
            raise OptionError(f"{type(recipe).__name__}.{name} is {old!r}, which has no options; got {path!r}.")
        return dataclasses.replace(recipe, **{name: set_option(old, rest, text)})
    if dataclasses.is_dataclass(old):
        # all rivals of one kind stand in one file
        rivals = [n for n, cls in REGISTRY.items() if cls.__module__ == type(old).__module__]
        if text not in rivals:
            raise OptionError(f"{type(recipe).__name__}.{name} cannot be {text!r}.{nearest(text, rivals)}")
        return dataclasses.replace(recipe, **{name: REGISTRY[text]()})
    kind = typing.get_type_hints(type(recipe))[name]
    return dataclasses.replace(recipe, **{name: parse(kind, text, f"{type(recipe).__name__}.{name}")})


def parse(kind: Any, text: str, name: str) -> Any:
    """`text` as a value of the annotated type `kind`.

    Raises
    ------
    OptionError : it is not one
    """
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if kind is Any:
        raise OptionError(
            f"{name}={text!r}: this option takes an object of Python, which no text can give. Use the API."
        )
    if text.lower() == "none" and type(None) in options:
        return None
    for option in options:
        if option is bool and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if typing.get_origin(option) is tuple:
            return tuple(parse(typing.get_args(option)[0], item.strip(), name) for item in text.split(","))
        if typing.get_origin(option) is typing.Literal and text in typing.get_args(option):
            return text
        if option in (int, float, str):
            try:
                return option(text)
            except ValueError:
                continue
    expected = " or ".join(_kind_name(option) for option in options)
    raise OptionError(f"{name}={text!r}; expected {expected}.")


def _kind_name(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(kind)))
    return "none" if kind is type(None) else getattr(kind, "__name__", str(kind))
