"""Settings of the server, from the environment; the defaults run on one machine.

docs/settings.md lists the variables; a test compares its table with this file.
"""

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

from conversations import __version__
from project import environment as env
from project import security

BASE_DIR = Path(__file__).resolve().parent.parent

# What a public server must set

# Without one, sessions end with the process: safe, but only for a first look.
SECRET_KEY = env.text("SECRET_KEY") or secrets.token_urlsafe(50)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}

# Of PostgreSQL, in seconds.
DATABASE_CONNECT_TIMEOUT = env.integer("DATABASE_CONNECT_TIMEOUT", 5)
DATABASE_POOL_TIMEOUT = env.seconds("DATABASE_POOL_TIMEOUT", 10.0)
SESSION_TIMEOUTS = {
    "statement_timeout": env.seconds("DATABASE_STATEMENT_TIMEOUT", 30.0),
    "lock_timeout": env.seconds("DATABASE_LOCK_TIMEOUT", 10.0),
    "idle_in_transaction_session_timeout": env.seconds("DATABASE_IDLE_TIMEOUT", 60.0),
}
# Of this side, for a server that stands still: its own timeouts come first.
DATABASE_RESPONSE_TIMEOUT: float | None = env.seconds(
    "DATABASE_RESPONSE_TIMEOUT", SESSION_TIMEOUTS["statement_timeout"] + 5
)
# manage.py turns them off for commands, which may take longer than a request.
if not env.boolean("DATABASE_TIMEOUTS", default=True):
    SESSION_TIMEOUTS = {}
    DATABASE_RESPONSE_TIMEOUT = None

# Counts the requests of keys and organizations; processes that share it count together.
CACHES = {"default": env.cache("CACHE_URL", "locmem://")}

# Whether every browser reaches this server by HTTPS, here or at a proxy in front of it.
HTTPS = env.boolean("HTTPS", default=False)
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
# They bind the whole domain for a year, so they are a decision of its owner.
HSTS_INCLUDE_SUBDOMAINS = env.boolean("HSTS_INCLUDE_SUBDOMAINS", default=False)
HSTS_PRELOAD = env.boolean("HSTS_PRELOAD", default=False)

# What it may set

# A user name is locked out at one address after so many failed logins, for this long.
LOGIN_FAILURE_LIMIT = env.integer("LOGIN_FAILURE_LIMIT", 5)
LOGIN_LOCKOUT = env.seconds("LOGIN_LOCKOUT", 900.0)
# When the console asks for the password again, in seconds.
SESSION_IDLE_TIMEOUT = env.seconds("SESSION_IDLE_TIMEOUT", 28_800.0)
SESSION_COOKIE_AGE = env.integer("SESSION_MAX_AGE", 604_800)

DEBUG = env.boolean("DEBUG", default=False)
WEB_THREADS = env.integer("WEB_THREADS", 8)
# Of clients, per process; in seconds. docs/deploying.md describes all limits.
HEADER_TIMEOUT = env.seconds("HEADER_TIMEOUT", 10.0)
BODY_TIMEOUT = env.seconds("BODY_TIMEOUT", 30.0)
WRITE_TIMEOUT = env.seconds("WRITE_TIMEOUT", 60.0)
KEEP_ALIVE_TIMEOUT = env.integer("KEEP_ALIVE_TIMEOUT", 75)
MAX_CONNECTIONS = env.integer("MAX_CONNECTIONS", 1000)
MAX_CONNECTIONS_PER_ADDRESS = env.integer("MAX_CONNECTIONS_PER_ADDRESS", 200)
LOG_FORMAT = env.choice("LOG_FORMAT", "plain", ["plain", "json"])
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
# With it, the server has the page /metrics.
METRICS_TOKEN = env.text("METRICS_TOKEN")

# conversations/conf.py describes the keys.
PROVIDERS: dict[str, dict[str, str]] = {}
OPENAI_API_KEY, OPENAI_BASE_URL = env.text("OPENAI_API_KEY"), env.text("OPENAI_BASE_URL")
if OPENAI_API_KEY or OPENAI_BASE_URL:
    given = {"api_key": OPENAI_API_KEY, "base_url": OPENAI_BASE_URL}
    PROVIDERS["openai"] = {key: value for key, value in given.items() if value}
CONVERSATIONS: dict[str, Any] = {
    "PROVIDERS": PROVIDERS | env.providers("MODEL_PROVIDERS"),
    "MODEL_TIMEOUT": env.seconds("MODEL_TIMEOUT", 120.0),
    "PROMPT_REFRESH": env.choice("PROMPT_REFRESH", "on_change", ["on_change", "manual"]),
    "RUN_TURNS_IN_WEB": env.boolean("RUN_TURNS_IN_WEB", default=True),
    "STALLED_RUN_TIMEOUT": env.seconds("STALLED_RUN_TIMEOUT", 30.0),
    "MAX_RUN_ATTEMPTS": env.integer("MAX_RUN_ATTEMPTS", 3),
    "QUEUE_TIMEOUT": env.seconds("QUEUE_TIMEOUT", 300.0),
    "SHUTDOWN_GRACE": env.seconds("SHUTDOWN_GRACE", 25.0),
    "API_KEY_LIFETIME": env.integer("API_KEY_LIFETIME", 365),
    "MAX_TOOL_CALLS": env.integer("MAX_TOOL_CALLS", 64),
    "MAX_TURNS": env.integer("MAX_TURNS", 400),
    "MAX_QUEUED_TURNS": env.integer("MAX_QUEUED_TURNS", 100),
    "TOOL_TIMEOUT": env.seconds("TOOL_TIMEOUT", 60.0),
    "EVENT_RETENTION": env.days("EVENT_RETENTION", 7.0),
    "STEP_TRACES": env.boolean("STEP_TRACES", default=True),
    "REQUESTS_PER_MINUTE": env.integer("REQUESTS_PER_MINUTE", 24_000),
    "KEY_REQUESTS_PER_MINUTE": env.integer("KEY_REQUESTS_PER_MINUTE", 12_000),
    "CONCURRENT_TURNS": env.integer("CONCURRENT_TURNS", 256),
    "MAX_CONVERSATIONS": env.integer("MAX_CONVERSATIONS", 1_000_000),
    "MAX_MEMORY_CHARACTERS": env.integer("MAX_MEMORY_CHARACTERS", 1_000_000_000),
    "TOOL_RUNNER": env.choice("TOOL_RUNNER", "off", ["off", "bubblewrap", "subprocess"]),
    "TOOL_MEMORY": env.integer("TOOL_MEMORY", 512),
    "TOOL_PYTHON": env.text("TOOL_PYTHON"),
    "OUTBOUND_ALLOWED_HOSTS": env.words("OUTBOUND_ALLOWED_HOSTS", ["*"]),
    "ENCRYPTION_KEYS": env.words("ENCRYPTION_KEYS"),
    "METRICS": bool(METRICS_TOKEN) or env.boolean("METRICS", default=False),
}

# What follows from these

SECURE_SSL_REDIRECT = HTTPS
# Orchestrators request these without HTTPS, past the proxy.
SECURE_REDIRECT_EXEMPT = [r"^v1/(health|ready)/$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS and HSTS_INCLUDE_SUBDOMAINS
SECURE_HSTS_PRELOAD = HTTPS and HSTS_PRELOAD
# `check --deploy` would ask for both.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
# Browsers accept cookies of such a name only from this host itself, and only by HTTPS.
COOKIE_PREFIX = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # select_for_update() does nothing on SQLite: IMMEDIATE transactions serialize writers.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # The number of threads that serve requests is fixed, so each keeps its connection.
    DATABASES["default"]["CONN_MAX_AGE"] = None
else:
    # Persistent connections leak under ASGI, one per thread; a pool bounds them. Its connections
    # live long, so preparing statements pays, which needs server-side binding.
    options = DATABASES["default"].setdefault("OPTIONS", {})
    from project.postgresql.connection import connection_class

    options.setdefault("connect_timeout", DATABASE_CONNECT_TIMEOUT)
    # In seconds and milliseconds: of a network that no longer delivers.
    keepalives = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    for name, value in {**keepalives, "tcp_user_timeout": 30_000}.items():
        options.setdefault(name, value)
    options |= {
        "pool": {
            "min_size": 1,
            "max_size": WEB_THREADS + 4,
            "timeout": DATABASE_POOL_TIMEOUT,
            "connection_class": connection_class(DATABASE_RESPONSE_TIMEOUT),
        },
        "server_side_binding": True,
        "prepare_threshold": 5,
    }
    timeouts = [f"-c {name}={value * 1000:.0f}" for name, value in SESSION_TIMEOUTS.items()]
    # Those of DATABASE_URL come last and take precedence.
    options["options"] = " ".join([*timeouts, options.get("options", "")])

# Django's own

INSTALLED_APPS = [
    "project",
    "conversations",
    "conversations.console.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "conversations.middleware.RequestContext",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware"
    if django.VERSION >= (6, 0)
    else "project.security.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "project.sessions.SessionLimits",
    "conversations.admin.middleware.OperatorAccess",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "project.logins.BusyLogins",
    # It replaces the responses of locked out logins, so it comes last.
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "project.urls"
SECURE_CSP = security.SECURE_CSP
ASGI_APPLICATION = "project.asgi.application"
# Clients send some paths with a slash and others without; a redirect would lose a POST's body.
APPEND_SLASH = False
# The first refuses those who are locked out before the second hashes their password.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "project.logins.PasswordBackend"]
AXES_HANDLER = "project.logins.LoginHandler"
AXES_CLIENT_IP_CALLABLE = "project.logins.client_address"
AXES_LOCKOUT_CALLABLE = "project.logins.locked_out"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = LOGIN_FAILURE_LIMIT
AXES_COOLOFF_TIME = timedelta(seconds=LOGIN_LOCKOUT)
AXES_RESET_ON_SUCCESS = True
# Attempts while locked out neither prolong it nor write anything.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
# The audit log has them.
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# Where a login leads whose `next` is missing or on another host.
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
# The maximum request body, in bytes. A block of 100,000 characters takes up to 400 kB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = "project.formats"
USE_TZ = True
# A message shows a new API key: keep it in the session, not in a cookie.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "project.static.StaticStorage"
    },
}
WHITENOISE_USE_FINDERS = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "context": {"()": "conversations.context.ContextFilter"},
        "expected": {"()": "project.logs.ExpectedFailures"},
    },
    "formatters": {
        "plain": {"()": "project.logs.PlainFormatter"},
        "json": {"()": "project.logs.JSONFormatter"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "filters": ["context", "expected"],
            "formatter": LOG_FORMAT,
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"level": LOG_LEVEL, "propagate": True, "handlers": []},
        # project.requests logs requests.
        "uvicorn": {"level": LOG_LEVEL, "propagate": True, "handlers": []},
        "uvicorn.access": {"level": "WARNING", "propagate": True, "handlers": []},
        # Its line for each model call repeats what runs record.
        "httpx2": {"level": "WARNING"},
        # project.logins writes one line for what axes writes several.
        "axes": {"level": "ERROR"},
    },
}

# The API configures its own views; only drf-spectacular needs a default.
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Palimpsest",
    "DESCRIPTION": "The REST API of the archived Letta V1 server for agents and their memory.",
    "VERSION": __version__,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/v1",
    # Those of api/converters.py.
    "PATH_CONVERTER_OVERRIDES": {
        "agent_id": str,
        "api_key_id": str,
        "file_id": str,
        "folder_id": str,
        "block_id": str,
        "block_label": str,
        "conversation_id": str,
        "member_id": str,
        "message_id": str,
        "run_id": str,
        "step_id": str,
    },
    "PREPROCESSING_HOOKS": ["project.openapi.without_aliases"],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "RoleEnum": ["user", "assistant", "system"],
        "MessageRoleEnum": "conversations.api.shapes.messages.ROLES",
        "ToolStatusEnum": ["success", "error"],
        "MessageTypeEnum": "conversations.api.shapes.messages.MESSAGE_TYPES",
    },
}
