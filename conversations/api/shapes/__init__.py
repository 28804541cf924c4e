"""JSON of responses: each shape is a TypedDict beside the function that builds it.

Fields named like attributes of the row are declared once, in a base class that `attributes` reads;
mypy proves that the function fills the others. `api.schema` derives the OpenAPI component from the
same declaration. Request bodies and queries are in `api.serializers`.
"""
