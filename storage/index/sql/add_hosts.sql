-- One batch of named hosts, as the caller computed them.
INSERT INTO host_domains
SELECT host, domain, domain_private, reversed_host FROM named_hosts
