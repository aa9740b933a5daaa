// Command loop_dropped: the signal comes while it works, and its channel has no room to keep it.
package main

import (
	"log"
	"os"
	"os/signal"
	"syscall"
)

type worker struct {
	stop chan os.Signal
	jobs chan func()
}

func (w *worker) run() {
	for {
		select { // goward: Loop
		case <-w.stop:
			return
		case job := <-w.jobs:
			job()
		}
	}
}

// job takes until the signal has come.
func job() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	defer signal.Stop(signals)
	log.Println("ready")
	<-signals
}

func main() {
	w := &worker{make(chan os.Signal), make(chan func(), 1)} // The fault: no room for one.
	signal.Notify(w.stop, syscall.SIGTERM)
	w.jobs <- job
	w.run()
}
