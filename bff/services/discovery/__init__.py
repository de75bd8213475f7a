"""Where a service's endpoints are, asked of DNS, Kubernetes, Consul, Nacos or a resolver of one's own."""
