// Command waitgroup_workers: main waits for workers whose channel of jobs was not closed.
package main

import (
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

type pool struct {
	jobs chan func()
	wg   sync.WaitGroup
}

func (p *pool) start(n int) {
	for range n {
		p.wg.Add(1)
		go p.work()
	}
}

func (p *pool) work() {
	defer p.wg.Done()
	for job := range p.jobs { // goward: WaitGroup
		job()
	}
}

func (p *pool) stop() {
	p.wg.Wait() // The fault: no close(p.jobs) before it.
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	p := &pool{jobs: make(chan func())}
	p.start(12)
	log.Println("ready")

	<-signals
	p.stop()
}
