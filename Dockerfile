FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app

# The sandbox of tools with source, for TOOL_RUNNER=bubblewrap.
RUN apt-get update && apt-get install --yes --no-install-recommends bubblewrap \
    && rm -rf /var/lib/apt/lists/*

COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt

COPY manage.py .
COPY project project
COPY conversations conversations
RUN python manage.py collectstatic --noinput \
    && useradd --system --home-dir /app --shell /usr/sbin/nologin app

USER app
EXPOSE 8283
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", \
    "import urllib.request as r; r.urlopen('http://127.0.0.1:8283/v1/health/', timeout=2)"]

# One process; the orchestrator runs as many containers as it needs.
# Turns and streams end within 25 s, or another container resumes them.
CMD ["python", "-m", "project.server", "--host", "0.0.0.0", "--port", "8283"]
