"""Everything an installation needs around the application: servers, images, namespaces."""
