"""Many designs as one job."""
