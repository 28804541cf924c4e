"""The base class of every view of the API."""

from functools import partial
from typing import Any, NoReturn

from django.db import transaction
from django.http.response import HttpResponseBase
from rest_framework.metadata import SimpleMetadata
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ...middleware import request_context
from ...tenancy import acting_for_none
from ..auth import ApiKeyAuthentication, KeyHasScope
from ..http.errors import exception_handler
from ..http.idempotency import request_key, respond_once
from ..http.parsers import JSONParser
from ..http.paths import path_arguments, resolve_encoded
from ..http.renderers import AlwaysJSON, JSONRenderer
from ..http.warnings import with_warnings
from ..schema import ApiSchema, stores_response
from ..throttles import Rate, RequestThrottle, add_headers, rate_exceeded


class ApiView(APIView):
    """Configure Django REST framework for this API, whatever the project's settings are."""

    authentication_classes = [ApiKeyAuthentication]
    permission_classes = [KeyHasScope]
    throttle_classes = [RequestThrottle]
    parser_classes = [JSONParser]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AlwaysJSON
    metadata_class = SimpleMetadata
    versioning_class = None
    schema = ApiSchema()
    rates: list[Rate]

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Keep ATOMIC_REQUESTS out: each verb is a transaction, and a worker must see a new run."""
        return transaction.non_atomic_requests(super().as_view(**initkwargs))

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Respond with the view that the encoded path names.

        It has access to no rows until the caller is authenticated.
        """
        view = self
        if match := resolve_encoded(request):
            view_class = getattr(match.func, "view_class", None)
            if view_class and issubclass(view_class, ApiView):
                view = view_class(**getattr(match.func, "view_initkwargs", {}))
                kwargs = match.kwargs
                view.setup(request, **kwargs)
        # The context is for projects without the middleware.
        with request_context(request), acting_for_none():
            return super(ApiView, view).dispatch(request, *args, **path_arguments(request, kwargs))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate the caller, then raise the error of a malformed id in the path."""
        super().initial(request, *args, **kwargs)
        if hasattr(self, str(request.method).lower()):
            for value in kwargs.values():
                if isinstance(value, Exception):
                    raise value
        post: Any = getattr(self, "post", None)
        if request.method == "POST" and stores_response(post) and (key := request_key(request)):
            # DRF calls this attribute; a view serves one request.
            vars(self)["post"] = partial(respond_once, key, post)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """Add warnings, and keep every response out of caches.

        It holds an organization's data, or a key's secret.
        """
        response = with_warnings(request, response)
        final: Response = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Cache-Control"] = "no-store"
        if hasattr(self, "rates"):
            add_headers(final, self.rates)
        return final

    def throttled(self, request: Request, wait: float | None) -> NoReturn:
        """Raise an error that says which rate is exceeded."""
        raise rate_exceeded(self.rates)

    def get_exception_handler(self) -> Any:
        return exception_handler
