from rest_framework.response import Response
from rest_framework.views import APIView


def exception_handler(error, context):
    return Response({"host": "handled"}, status=418)


class HostView(APIView):
    """A view that depends on every REST framework setting of the host."""

    def get(self, request):
        return Response({"host": "answered"})
