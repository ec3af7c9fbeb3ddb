"""Run folders: what was asked (config.toml), what happened (metrics, checkpoints), what came out (model, report)."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import tomlkit

from fewlabels import estimators, recipes
from fewlabels.adapt import as_adaptation
from fewlabels.errors import InputError, OptionError, nearest
from fewlabels.files import check_name, read_json, remove_stale, write_file

# Options of an estimator that `--set` reaches by name; dotted names go into augment or the method.
_PLAIN = {
    "network": str,
    "steps": int,
    "batch_size": int,
    "unlabeled_ratio": int,
    "lr": float,
    "weight_decay": float,
    "average": float,
    "precision": str,
    "device": str,
    "on_nonfinite": str,
}
# Of these only classifiers know.
_OF_CLASSES = {"class_balanced": bool, "logit_adjustment": float, "watch_labels": int}
_AUGMENTS = ("CTAugment", "Images", "NoAugmentation", "Tables")


def make_estimator(method: str, task: str, kind: str, settings: list[str], **options: Any) -> Any:
    """An estimator from the command line's words.

    Parameters
    ----------
    settings : "name=value" each: an option of the estimator ("steps=2000"), the augmentation ("augment=CTAugment") or
        an option of it ("augment.n_ops=3") or of the method ("weight.tau=0.9", "lambda_u=2")

    Raises
    ------
    OptionError : an unknown name (the nearest known is named) or a value that cannot be read
    """
    if method in estimators.NAMES:
        return _make_own(method, task, settings, options)
    recipe, augment, adapt = recipes.as_method(method), None, None
    plain = _PLAIN | (_OF_CLASSES if task == "classes" else {})
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise OptionError(f"--set {setting!r}: expected name=value, for example --set steps=2000.")
        if name in plain:
            options[name] = recipes.parse(plain[name], text, name)
        elif name == "augment":
            # any other word than these is for the options' own check, which knows "auto" and "none"
            if text in _AUGMENTS:
                augment = recipes.REGISTRY[text]()
            else:
                options["augment"] = text
        elif name == "adapt" and task == "classes":
            adapt = as_adaptation(text)
        elif name.startswith("adapt.") and task == "classes":
            if adapt is None:
                raise OptionError(f"--set {setting}: name the adaptation first, for example --set adapt=dann.")
            adapt = recipes.set_option(adapt, name.removeprefix("adapt."), text)
        elif name.startswith("augment."):
            augment = recipes.set_option(augment or _default_augment(kind, task), name.removeprefix("augment."), text)
        else:
            recipe = _set_in_method(recipe, name, text, [*plain])
    if augment is not None:
        options["augment"] = augment
    if adapt is not None:
        options["adapt"] = adapt
    estimator = estimators.make(recipe, task, **options)
    estimator._options()  # refuses senseless values now, not after the data were read
    return estimator


def _make_own(method: str, task: str, settings: list[str], options: dict[str, Any]) -> Any:
    estimator = estimators.make(method, task)
    known = estimator.get_params(deep=False)
    estimator.set_params(**{name: value for name, value in options.items() if name in known})
    kinds = typing.get_type_hints(type(estimator).__init__)
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in known:
            raise OptionError(f"--set {name}: {method} has no such option.{nearest(name, known)}")
        estimator.set_params(**{name: recipes.parse(kinds[name], text, name)})
    return estimator


def _default_augment(kind: str, task: str) -> Any:
    from fewlabels.run import as_augmentation

    return as_augmentation("auto", kind, masks=task == "masks")


def _set_in_method(recipe: Any, name: str, text: str, plain: list[str]) -> Any:
    try:
        return recipes.set_option(recipe, name, text)
    except OptionError as error:
        if "has no option" not in str(error) or "." in name:
            raise
        known = [*plain, "augment", *(k for k in recipes.to_dict(recipe) if k != "recipe")]
        raise OptionError(f"--set {name}: there is no such option.{nearest(name, known)}") from None


class RunFolder:
    """A folder that remembers what it was made for.

    Raises
    ------
    InputError : it holds a run with other settings
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        check_name(path)
        self.path = path
        text = tomlkit.dumps(_without_none(config))
        file = path / "config.toml"
        # a folder with nothing but the settings of a command that was refused may be taken over
        others = [p for p in path.iterdir() if p.name != file.name] if path.is_dir() else []
        if (path.exists() and not path.is_dir()) or (others and not file.exists()):
            raise InputError(f"{path} exists and is not a run folder. Choose another one with --out.")
        if others and _read(file) != text:
            raise InputError(
                f"{path} holds a run with other settings (see {file}). Repeat its command to go on with it, "
                "or choose another folder with --out."
            )
        for inside in (path, *(each for each in path.rglob("*") if each.is_dir())):
            remove_stale(inside)
        write_file(file, text.encode())

    @property
    def finished(self) -> dict[str, Any] | None:
        """What the finished run said, or None while it is unfinished."""
        file = self.path / "done.json"
        if not file.exists():
            return None
        try:
            done: dict[str, Any] = read_json(_read(file))
            if not isinstance(done["said"], str):
                raise TypeError("what was said is no text")
        except InputError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file} is damaged ({error}). Delete it to finish the run again.") from error
        return done

    def finish(self, **said: Any) -> None:
        write_file(self.path / "done.json", json.dumps(said).encode())


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}. Choose another folder with --out.") from error


def _without_none(value: Any) -> Any:
    """TOML has no null: options left open are left out."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
