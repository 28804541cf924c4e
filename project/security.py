"""What a browser may load for pages of this server: their own files, and nothing else."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

# No inline script or style, no other origin, no frame. Django's CSS has images as data.
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}
CONTENT_SECURITY_POLICY = "; ".join(
    f"{directive} {' '.join(sources)}" for directive, sources in SECURE_CSP.items()
)


class ContentSecurityPolicy(MiddlewareMixin):
    """Send the policy with every response: Django 6.0's middleware, for Django 5.2."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add the header."""
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response
