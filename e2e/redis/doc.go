// Package redis starts Debian's redis-server and shares limits through it: the suite that every store of ratelimit/lease
// must pass, and four sidecars in processes of their own while the server is stopped, killed and restarted empty.
package redis
