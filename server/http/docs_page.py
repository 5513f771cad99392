"""The interactive API documentation. It serves Swagger UI itself, because FastAPI's own page loads it from a CDN."""

from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

_ASSETS = "/docs/assets"


def mount_docs(app: FastAPI, root: str) -> None:
    """Serve `/docs` and its assets, whose addresses are below `root`."""
    app.mount(_ASSETS, StaticFiles(directory=str(files("fastapi_swagger") / "resources")))

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=f"{root}/openapi.json",
            title="Lethe API",
            swagger_js_url=f"{root}{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{root}{_ASSETS}/favicon-32x32.png",
        )
