package telemetry

// waitBounds suit a queue: 1 ms to 524 s, doubling. A call that found room counts in the first bucket.
var waitBounds = doubling(0.001, 20)

// decisionBounds suit one decision of the scheduler: 1 us to 16 ms, doubling.
var decisionBounds = doubling(0.000001, 15)

// The metrics of the scheduler; they exist once Telemetry.Queue has been called.
var (
	defQueueWait = metricDef{
		"trapgate.queue.wait", histogram, "s",
		[]string{keyPool, keyClass, keyOutcome},
		"Time that calls waited for a place, 0 when there was room.", waitBounds,
	}
	defQueueQueued = metricDef{
		"trapgate.queue.queued", gauge, "{call}",
		[]string{keyPool, keyClass},
		"Calls that wait.", nil,
	}
	defQueueInflight = metricDef{
		"trapgate.queue.inflight", gauge, "{call}",
		[]string{keyPool, keyClass},
		"Calls that hold a slot.", nil,
	}
	defQueueDispatch = metricDef{
		"trapgate.queue.dispatch", histogram, "s",
		[]string{keyPool},
		"Time that choosing the next call and sending it took.", decisionBounds,
	}
	defQueuePromoted = metricDef{
		"trapgate.queue.promoted", counter, "{call}",
		[]string{keyPool},
		"Calls that the starvation bound chose, not the order.", nil,
	}
	defQueueRejected = metricDef{
		"trapgate.queue.rejected", counter, "{call}",
		[]string{keyPool, keyReason},
		"Calls that got no place.", nil,
	}
	defQueueHeld = metricDef{
		"trapgate.queue.held", histogram, "s",
		[]string{keyPool, keyResult},
		"Time that a slot was kept for a program about to return, which came (hit) or did not (miss).", waitBounds,
	}
	defQueueDebt = metricDef{
		"trapgate.queue.debt", gauge, "s",
		[]string{keyPool},
		"Longest wait of the calls that are next in their programs.", nil,
	}
	defQueueLag = metricDef{
		"trapgate.queue.lag", gauge, "{cost}",
		[]string{keyPool},
		"How far the tenant furthest from its class's virtual time is off it.", nil,
	}
	defQueueAttained = metricDef{
		"trapgate.queue.attained", gauge, "{cost}",
		[]string{keyPool, keyTenant},
		"Cost charged to a tenant: uncached input and twice the output, in tokens.", nil,
	}
	defQueueShare = metricDef{
		"trapgate.queue.share", gauge, "1",
		[]string{keyPool, keyTenant},
		"What a tenant got of the share it was due, of tenants that waited all the time since the last look.", nil,
	}
	defQueueJain = metricDef{
		"trapgate.queue.jain", gauge, "1",
		[]string{keyPool},
		"Jain's index of those tenants: 1 when their shares by weight are equal.", nil,
	}
	defQueueEstimate = metricDef{
		"trapgate.queue.estimate.error", histogram, "{token}",
		[]string{keyPool, keyResult},
		"Output tokens by which a reservation was over or under what was used.", tokenBounds,
	}
	defQueueOvershoot = metricDef{
		"trapgate.queue.overshoot", counter, "{token}",
		[]string{keyPool},
		"Tokens used beyond what was reserved.", nil,
	}
	defQueueReserved = metricDef{
		"trapgate.queue.reserved", gauge, "{cost}",
		[]string{keyPool},
		"Cost that is charged and not settled yet.", nil,
	}
	defQueueBucket = metricDef{
		"trapgate.queue.bucket.level", gauge, "1",
		[]string{keyPool, keyBucket},
		"Requests or tokens that a limit lets go at once; below 0 in debt.", nil,
	}
	defQueueLimit = metricDef{
		"trapgate.queue.limit", gauge, "1",
		[]string{keyPool, keyLimit, keySource},
		"Limits by who says so: config, headers, learnt, lease; source \"effective\" is what is in force.", nil,
	}
	defQueueRefused = metricDef{
		"trapgate.queue.upstream.refused", counter, "{attempt}",
		[]string{keyPool, keyStatus},
		"Answers by which an upstream asked for less: 429, 529, 503.", nil,
	}
)
