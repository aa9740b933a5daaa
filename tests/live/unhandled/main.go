// A server that catches every signal and stops for none, with as many goroutines as its first argument says. With a second
// argument it ends that long after the first signal, with 7. FULL=1: its stderr is a full pipe that nobody reads. GROW=1: it leaks
// a goroutine every 10 ms. COLLECT=1: it collects garbage all the time.
package main

import (
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

func worker(jobs chan int) { <-jobs }

func leaked(jobs chan int) { <-jobs }

func fill() {
	_, to, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	fd := int(to.Fd())
	_ = syscall.SetNonblock(fd, true)
	for {
		if _, err := syscall.Write(fd, make([]byte, 4096)); err != nil {
			break
		}
	}
	_ = syscall.SetNonblock(fd, false)
	if err := syscall.Dup3(fd, 2, 0); err != nil {
		panic(err)
	}
}

func main() {
	count, _ := strconv.Atoi(os.Args[1])
	signals := make(chan os.Signal, 100)
	signal.Notify(signals)
	jobs := make(chan int)
	for i := 0; i < count; i++ {
		go worker(jobs)
	}
	if os.Getenv("GROW") != "" {
		go func() {
			for {
				time.Sleep(10 * time.Millisecond)
				go leaked(jobs)
			}
		}()
	}
	if os.Getenv("COLLECT") != "" {
		// What has pointers takes the collector a while.
		garbage := make([]*[4]*int, 1<<20)
		for at := range garbage {
			garbage[at] = new([4]*int)
		}
		go func() {
			for {
				runtime.GC()
				runtime.KeepAlive(garbage)
			}
		}()
	}
	if os.Getenv("FULL") != "" {
		fill()
	}
	time.Sleep(100 * time.Millisecond)
	os.Stdout.WriteString("ready\n")
	if len(os.Args) > 2 {
		wait, _ := time.ParseDuration(os.Args[2])
		for s := range signals {
			if s == syscall.SIGTERM {
				break
			}
		}
		time.Sleep(wait)
		os.Exit(7)
	}
	for range signals {
	}
}
