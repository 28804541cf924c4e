"""The scenarios by name, in the order of the table."""

from . import attacks, kills, lifecycle, outages

SCENARIOS = {
    "stopped": outages.stopped,
    "stopped-worker": outages.stopped_with_worker,
    "frozen": outages.frozen,
    "locked": outages.locked,
    "kills": kills.kills,
    "half-sent": attacks.half_sent_bodies,
    "slow-headers": attacks.slow_headers,
    "logins": attacks.login_flood,
    "burst": attacks.burst,
    "quotas": attacks.over_quota,
    "disk": lifecycle.disk_full,
    "sigterm": lifecycle.sigterm,
    "migrate": lifecycle.migrate_at_once,
    "upgrade": lifecycle.upgrade,
    "soak": lifecycle.soak,
}
