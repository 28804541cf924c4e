"""What can be wrong with a request itself, whatever is stored.

Apart from `errors`, because DRF's views import the parser, and `errors` imports DRF's views.
"""

from rest_framework import status
from rest_framework.exceptions import APIException


class InvalidRequest(APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
