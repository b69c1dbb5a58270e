// Command turns measures the scheduler with real parts: the trapgate binary, agents on OpenAI's Python SDK (or on net/http, with
// -driver go), the simulated model, llama.cpp's server, Redis. What can be computed in virtual time is in package sched beside it.
//
// Its parts (-only names some): added, cancel, hogengine, oneslot, abandon, aios, limits, sidecars, hog. Each figure of the issue stands
// in the report beside what was measured, with a verdict, and waits are drawn over time. e2e/bench/results/turns.md is written by a
// full run only; -quick and -only write elsewhere, or where -out says.
//
// The first six run alone: added and cancel are about microseconds, the others keep a core busy with an engine or, in AIOS's
// experiment, with agents in Python. The last three sleep over simulated models nearly all the time and run side by side; together they
// take as long as limits, the longest of them. The report says how long each part took, and how many cores the machine was using while
// parts ran side by side: on a machine that does nothing else it must stay below one.
//
// Three rules keep it honest. Every draw (services, pauses, arrivals) is made once for a seed and given to all sides alike. A
// wait is what the agent saw, its latency less the time in which it was served, the client library's own time included. A
// bound is measured by the same driver on the same model, by an order that a driver that knows who is light enforces itself.
package main
