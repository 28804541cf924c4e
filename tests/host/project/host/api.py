from rest_framework.response import Response
from rest_framework.views import APIView


def exception_handler(error, context):
    return Response({"host": "handled"}, status=418)


class HostView(APIView):
    """Uses every one of the host's own settings."""

    def get(self, request):
        return Response({"host": "answered"})
