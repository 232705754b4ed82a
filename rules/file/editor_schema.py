"""The JSON Schema of rule files, for editors: complete files, overlays, certificates' rules."""

from typing import Any

from rules.file.certificate_schema import CertificateFile
from rules.file.overlay import OWN
from rules.file.schema import RuleFile

_ITEM_KEYS = {
    "before": {"type": "string", "description": "插在这一项之前"},
    "remove": {"const": True, "description": "去掉所依据的文件里的这一项"},
}


def editor_schema() -> dict[str, Any]:
    """JSON Schema 2020-12. A file with ``extends`` may leave out what its base says."""
    schema = RuleFile.model_json_schema(by_alias=True)
    definitions = schema.pop("$defs")
    complete = {key: schema.pop(key) for key in ("properties", "required", "additionalProperties")}
    definitions["CompleteFile"] = {"type": "object", **complete}
    properties = dict(complete["properties"])
    for key, name in (
        ("filing", "Filing"),
        ("report_numbers", "ReportNumbers"),
        ("enforcement", "Enforcement"),
    ):
        definitions[f"Overlay{name}"] = _overlay_section(definitions, definitions[name])
        properties[key] = {"$ref": f"#/$defs/Overlay{name}"}
    required = [key for key in complete["required"] if key in OWN - {"sources"}]
    for key in ("facts", "duties"):
        properties[key] = _overlay_list(definitions, properties[key])
    definitions["OverlayFile"] = {
        "type": "object",
        "properties": {**properties, "extends": {"type": "string"}},
        "required": [*(key for key in required if key != "year"), "extends"],
        "oneOf": [{"required": ["year"]}, {"required": ["in_force"]}],
        "additionalProperties": False,
    }
    certificates = CertificateFile.model_json_schema(by_alias=True)
    definitions |= certificates.pop("$defs")
    definitions["CertificateFile"] = certificates
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "zhibao rule file",
        "if": {"required": ["extends"], "properties": {"extends": {"type": "string"}}},
        "then": {"$ref": "#/$defs/OverlayFile"},
        "else": {
            "if": {"required": ["validity"]},
            "then": {"$ref": "#/$defs/CertificateFile"},
            "else": {"$ref": "#/$defs/CompleteFile"},
        },
        "$defs": definitions,
    }


def _overlay_section(definitions: dict[str, Any], section: dict[str, Any]) -> dict[str, Any]:
    """A section that says only what differs."""
    properties = {
        key: _overlay_list(definitions, value) for key, value in section["properties"].items()
    }
    return {**section, "required": [], "properties": properties}


def _overlay_list(definitions: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """A list whose items may also say where they go, or that they are taken out."""
    name = value.get("items", {}).get("$ref", "").rpartition("/")[2]
    item = definitions.get(name)
    if item is None or "id" not in item.get("properties", {}):
        return value
    placed = {**item, "properties": {**item["properties"], "before": _ITEM_KEYS["before"]}}
    removed = {
        "type": "object",
        "properties": {"id": item["properties"]["id"], "remove": _ITEM_KEYS["remove"]},
        "required": ["id", "remove"],
        "additionalProperties": False,
    }
    return {**value, "items": {"anyOf": [placed, removed]}}
