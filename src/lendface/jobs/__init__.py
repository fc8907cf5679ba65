"""The one place that knows the durable engine: workflows, queues, workers, the reaper."""
