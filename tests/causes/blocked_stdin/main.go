// Command blocked_stdin: main waits for a worker that reads lines nobody writes.
package main

import (
	"bufio"
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

func follow(input io.Reader) {
	lines := bufio.NewScanner(input)
	for lines.Scan() { // goward: Blocked
		log.Println(lines.Text())
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var readers sync.WaitGroup
	readers.Add(1)
	go func() {
		defer readers.Done()
		follow(os.Stdin)
	}()
	log.Println("ready")

	<-ctx.Done()
	readers.Wait()
}
