"""Leases: renewed, watched, and what expired ones held is released."""
