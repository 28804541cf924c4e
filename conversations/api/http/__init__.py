"""What the views share: parsing, errors, ETags, filters and pages. Imports no view."""
