// Command blocked_output: a child has ended, and what it started still has its output open.
package main

import (
	"bytes"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	var output bytes.Buffer
	// The grandchild lives until nobody can read what it writes.
	hook := exec.Command("/bin/sh", "-c", "while sleep 1; do echo; done & exit 0")
	hook.Stdout = &output
	if err := hook.Start(); err != nil {
		log.Fatal(err)
	}
	log.Println("ready")
	<-signals
	hook.Wait() // goward: Blocked
}
