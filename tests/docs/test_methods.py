"""docs/methods.md names what exists, and all of it."""

import contextlib
import importlib
import inspect
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from anonymizer import closeness, diversity, metrics, models
from pipelines.cli.anonymize import anonymize
from schemas.request import AggregateRequest, MicrodataRequest

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "methods.md").read_text()
SPANS = set(re.findall(r"`([^`]+)`", TEXT))
OURS = sorted(span for span in SPANS if re.fullmatch(r"anonymizer\.[\w.]+", span))
KEYS = sorted(span for span in SPANS if re.fullmatch(r"release\.[a-z_.]+", span))
OPTIONS = sorted(span for span in SPANS if span.startswith("--"))


@pytest.mark.parametrize("name", OURS)
def test_every_name_exists(name):
    """A name in the tables can be imported."""
    module, _, attribute = name.rpartition(".")
    with contextlib.suppress(ModuleNotFoundError):
        assert callable(getattr(importlib.import_module(module), attribute))
        return
    module, _, owner = module.rpartition(".")  # a method
    assert callable(getattr(getattr(importlib.import_module(module), owner), attribute))


@pytest.mark.parametrize("key", KEYS)
def test_every_request_key_exists(key):
    """A key in the tables is a field of a request."""
    assert any(_has_field(kind, key) for kind in (MicrodataRequest, AggregateRequest))


def _has_field(model, key: str) -> bool:
    for name in key.split("."):
        if not issubclass(model, BaseModel) or name not in model.model_fields:
            return False
        model = model.model_fields[name].annotation
    return True


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_exists(option):
    """An option in the tables is one of `kohort anonymize`."""
    assert option in {name for parameter in anonymize.params for name in parameter.opts}


def test_every_model_and_metric_is_listed():
    """Public classes that judge a class, measure a distance or cost a recoding stand there."""
    for module in (models, diversity, closeness, metrics):
        for name, found in inspect.getmembers(module, inspect.isclass):
            own = found.__module__ == module.__name__ and not name.startswith("_")
            if own and ("__call__" in vars(found) or "cost" in vars(found)):
                assert f"{module.__name__}.{name}" in SPANS, name
