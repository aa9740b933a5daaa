// Command pipe_write: an io.Pipe whose reader has gone without closing its end.
package main

import (
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	reader, writer := io.Pipe()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			if _, err := io.WriteString(writer, "a record"); err != nil { // goward: Send
				return
			}
		}
	})
	reader.Read(make([]byte, 8))
	log.Println("ready")
	<-signals
	all.Wait()
}
