#!/bin/sh
# Installs what the real parts need and the machine lacks: Debian packages, as root only. Says what is missing elsewhere.
# Quick when nothing is missing. Clients, engine and trace stores are fetched by their own suites, into the cache.
set -eu

missing=
need() { # COMMAND PACKAGE...
	command -v "$1" >/dev/null 2>&1 || { shift; missing="$missing $*"; }
}
need gcc gcc libc6-dev # for -race
need git git
need curl curl
need python3 python3 python3-venv
need node nodejs
need npm npm
need java openjdk-17-jre-headless
need mvn maven
if command -v python3 >/dev/null 2>&1 && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
	missing="$missing python3-venv"
fi

if [ -z "$missing" ]; then
	echo "nothing is missing"
	exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "missing, and not installed because this is not root on Debian:$missing"
	echo "what needs them will be skipped and listed"
	exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # a list of words
apt-get install -q -y --no-install-recommends $missing </dev/null
