"""JSON of responses: each shape is a TypedDict beside the function that builds it.

mypy proves that a function fills exactly the fields of its shape; `api.schema` derives the OpenAPI
component from the same declaration. Request bodies and queries are in `api.serializers`.
"""
