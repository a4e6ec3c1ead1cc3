"""The addresses of the API: one blueprint, with a module for each noun."""

from flask import Blueprint, Flask

from attendance.web.api.attendance import blueprint as attendance
from attendance.web.api.audit import blueprint as audit
from attendance.web.api.corrections import blueprint as corrections
from attendance.web.api.health import blueprint as health
from attendance.web.api.metrics import blueprint as metrics
from attendance.web.api.outbox import blueprint as outbox
from attendance.web.schemas import IdInPath

blueprint = Blueprint("api", __name__)
for noun in (attendance, corrections, audit, health, metrics, outbox):
    blueprint.register_blueprint(noun)


def install(app: Flask) -> None:
    app.url_map.converters["id"] = IdInPath
    app.register_blueprint(blueprint)
