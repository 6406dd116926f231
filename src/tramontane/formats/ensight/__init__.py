"""EnSight Gold and EnSight 6."""
