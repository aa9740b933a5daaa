// Command blocked_child: main waits for a child process that ignores the signal.
package main

import (
	"context"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func stop(child *exec.Cmd) {
	child.Process.Signal(syscall.SIGTERM)
	child.Wait() // goward: Blocked
}

func main() {
	if len(os.Args) > 1 {
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(5 * time.Second)
		return
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	child := exec.Command("/proc/self/exe", "child")
	if err := child.Start(); err != nil {
		log.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	log.Println("ready")

	<-ctx.Done()
	stop(child)
}
