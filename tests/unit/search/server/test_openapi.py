"""The API answers as its own description says, whatever it is asked."""

from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from scripts.search.database import asset_id
from scripts.search.server.app import create_app
from tests import search_colours

EXAMPLES = 15
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    place = tmp_path_factory.mktemp("described")
    search_colours.index(place / "results" / "assets.db", search_colours.make_folders(place))
    return create_app(search_colours.settings(place), search_colours.ColourEncoder)


@pytest.fixture(scope="module")
def description(app: FastAPI) -> Any:
    return schemathesis.openapi.from_asgi("/api/openapi.json", app)


def test_answers_are_as_described(description: Any) -> None:
    operations = [found.ok() for found in description.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:
        _ask(operation)


def _ask(operation: Any) -> None:
    # Made-up ids are of no asset: most of the time it is one that is there.
    ids = [asset_id(path) for path in ("pictures/red.png", search_colours.VIDEO)]

    @given(case=operation.as_strategy(), own=st.sampled_from([*ids, None]))
    @settings(max_examples=EXAMPLES, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def ask(case: Any, own: int | None) -> None:
        if own is not None and case.path_parameters:
            case.path_parameters["asset_id"] = own
        case.call_and_validate(checks=CHECKS)

    ask()


def test_the_description_names_every_route_and_its_refusals(app: FastAPI) -> None:
    told = app.openapi()
    assert set(told["paths"]) >= {
        "/api/status", "/api/search", "/api/search/image", "/api/search/vector", "/api/assets/{asset_id}",
        "/api/assets/{asset_id}/file", "/api/assets/{asset_id}/thumb", "/api/assets/{asset_id}/clip",
        "/api/assets/{asset_id}/restore", "/api/assets/{asset_id}/tags", "/api/tags", "/api/hidden", "/api/duplicates",
        "/api/export", "/api/failures", "/api/scan",
    }  # fmt: skip
    for path, operations in told["paths"].items():
        for operation in operations.values():
            described = operation["responses"]["422"]["content"]["application/json"]["schema"]
            assert described == {"$ref": "#/components/schemas/Refused"}, path
