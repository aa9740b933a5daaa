// Command panicking: it does not hang, it crashes while it stops.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"
)

type session struct{ users map[string]int }

func (s *session) close() {
	s.users["closed"] = 1 // goward: Crash
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log.Println("ready")

	<-ctx.Done()
	(&session{}).close()
}
