package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// silentFor is how long a peer may acknowledge nothing before the kernel gives it
// up: as long as a client may take no data. Without this a heartbeat to somebody
// who lost the network would count as delivered for a quarter of an hour.
const silentFor = 15_000 // ms

// forgetSilentPeers sets that on a listener; its connections inherit it.
func forgetSilentPeers(_, _ string, conn syscall.RawConn) error {
	var failed error
	err := conn.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, silentFor)
	})
	if err != nil {
		return err
	}
	return failed
}
