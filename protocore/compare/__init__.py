"""What differs: prototypes of related classes, models or settings side by side."""
