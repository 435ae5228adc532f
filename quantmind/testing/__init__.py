"""What users' tests and ours share: for now a TCP proxy that makes the network's faults on demand."""
