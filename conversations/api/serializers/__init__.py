"""Request bodies (`…Body`, `…Form`) and query parameters (`…Query`), as REST framework serializers.

Responses are in `api.shapes`.
"""
