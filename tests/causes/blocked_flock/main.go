// Command blocked_flock: the shutdown wants a lock on a file that another has.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func lock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX) // goward: Blocked
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	mine, err := os.CreateTemp("", "goward-causes-")
	if err != nil {
		log.Fatal(err)
	}
	theirs, err := os.Open(mine.Name())
	if err != nil {
		log.Fatal(err)
	}
	os.Remove(mine.Name())
	lock(theirs)
	log.Println("ready")

	<-ctx.Done()
	lock(mine)
}
