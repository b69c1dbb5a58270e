// Command bench measures what Trapgate adds, in one run, beside the alternatives: direct, a bare fasthttp copy proxy, nginx
// (Debian's) and Trapgate, interleaved round by round against one fast model server of its own.
//
// Every program it needs is this one in another role, or is fetched into the cache; each runs as a process of its own. It
// writes a Markdown table, its raw numbers and SVG plots. It runs on Linux only, because it reads /proc.
//
// Three rules keep it honest. Latency in the open loop counts from the moment a request was due, not from when it could be
// sent. "Added" is a side's percentile minus the direct one's of the same round, and the table shows the median over the
// rounds. A token's delay is taken from the time stamp inside the token, so coalescing cannot hide.
package main
