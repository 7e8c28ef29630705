"""What was exported from a service with this API, taken into a data folder: objects keep their ids."""
