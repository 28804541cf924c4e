"""The rules that `check_memory` checks in stored rows. Reads only."""
