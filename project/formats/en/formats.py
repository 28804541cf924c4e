"""Show seconds and the time zone, which operators compare across pages."""

DATETIME_FORMAT = "Y-m-d H:i:s T"
