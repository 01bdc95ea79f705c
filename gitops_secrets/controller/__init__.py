"""The loop inside of the cluster: takes each artifact of one source, has Flux reconcile it in order, and says how it stands in status, events and metrics."""
