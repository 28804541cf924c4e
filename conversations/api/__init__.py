"""The REST API, wire-compatible with V1. May import everything but admin and management."""
